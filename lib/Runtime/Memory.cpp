// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The sizes of packed weights, caches and buffers.

#include "flow/Runtime/Memory.h"

#include "WeightBlocks.h"

#include <algorithm>

using namespace flow;
using namespace flow::runtime;

/// Positions of a panel of keys.
static constexpr int64_t kPanel = 32;
/// Rows whose logits are computed at once when all are wanted, about.
static constexpr int64_t kLogitsRows = 48;

static int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::vector<size_t> runtime::packedBytes(const PackedWeight &weight) {
  auto elements = static_cast<size_t>(weight.rows * weight.cols);
  switch (weight.packing) {
  case Packing::Raw:
    return {};
  case Packing::Dense:
  case Packing::PanelsF32:
    return {4 * elements};
  case Packing::DenseBf16:
  case Packing::PanelsBf16:
    return {2 * elements};
  case Packing::WeightBlocks: {
    WeightBlocksLayout layout(weight);
    return {static_cast<size_t>(weight.rows *
                                (layout.quantBytes + layout.scaleBytes))};
  }
  case Packing::PanelsI8:
    break;
  }
  size_t blocks = elements / static_cast<size_t>(weight.block);
  std::vector<size_t> sizes = {weight.firstBits() == 8 ? elements
                                                       : elements / 2};
  if (weight.hasUpperBits())
    sizes.push_back(elements / 8 * static_cast<size_t>(weight.firstBits() - 4));
  if (weight.lowBits() != 0)
    sizes.push_back(elements / 8 * static_cast<size_t>(weight.lowBits()));
  sizes.push_back(blocks * (weight.scale == ScaleType::F16 ? 2 : 4));
  if (weight.hasMin)
    sizes.push_back(4 * blocks);
  return sizes;
}

std::vector<int64_t> runtime::partShape(const PackedWeight &weight,
                                        int64_t part) {
  int64_t panels = weight.rows / kPanel, cols = weight.cols;
  switch (weight.packing) {
  case Packing::Raw:
    return {};
  case Packing::Dense:
  case Packing::DenseBf16:
    // A vector has one dimension.
    return weight.rows == 1 ? std::vector<int64_t>{cols}
                            : std::vector<int64_t>{weight.rows, cols};
  case Packing::WeightBlocks:
    return {static_cast<int64_t>(packedBytes(weight).front())};
  case Packing::PanelsF32:
    return {panels, cols, kPanel};
  case Packing::PanelsBf16:
    return {panels, cols / 2, 2 * kPanel};
  case Packing::PanelsI8:
    break;
  }
  if (part == 0)
    return {panels, cols / (weight.firstBits() == 8 ? 4 : 8), 4 * kPanel};
  if (part == 1 && weight.hasUpperBits())
    return {panels, cols * (weight.firstBits() - 4) / 32, 4 * kPanel};
  if (weight.isLowBits(part))
    return {panels, cols * weight.lowBits() / 32, 4 * kPanel};
  return {panels, cols / weight.block, kPanel};
}

int64_t runtime::largestStep(const Plan &plan, int64_t context, int64_t chunk) {
  return roundUp(std::min(chunk, context), plan.rowTile);
}

int64_t runtime::logitsRows(const Plan &plan) {
  return std::max<int64_t>(1, kLogitsRows / plan.rowTile) * plan.rowTile;
}

int64_t runtime::cachePositions(const CachePlan &cache, int64_t context,
                                int64_t rows) {
  int64_t all = roundUp(context, kPanel);
  return cache.window == 0
             ? all
             : std::min(roundUp(cache.window - 1 + rows, kPanel), all);
}

std::vector<std::vector<int64_t>> runtime::bufferShapes(const Plan &plan,
                                                        int64_t rows) {
  std::vector<bool> isLogits(plan.buffers.size());
  for (const Schedule &schedule : plan.schedules)
    if (schedule.logitsAll && schedule.rows == 0)
      isLogits[schedule.logits] = true;
  std::vector<std::vector<int64_t>> shapes;
  for (size_t i = 0; i != plan.buffers.size(); ++i) {
    std::vector<int64_t> &dims = shapes.emplace_back(plan.buffers[i].dims);
    for (int64_t &dim : dims)
      if (dim < 0)
        dim = isLogits[i] ? logitsRows(plan) : rows;
  }
  return shapes;
}
