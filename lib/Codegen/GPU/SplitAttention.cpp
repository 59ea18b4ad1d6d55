// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention of one row: CTAs that share its keys leave partial results, which a
// second kernel merges.

#include "AttentionBody.h"
#include "KernelFunction.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

namespace {

/// Parts of the row's keys, and where the workspace keeps their results.
///
/// First come the weighted values of each part, f32 [parts, H, D], not divided
/// by anything; then [H, parts] pairs of the largest exponent and of the sum of
/// weights. Parts without keys are the last ones: their sum is 0, and their
/// values are not written.
struct SplitShape {
  int64_t parts, heads, headDim;

  int64_t valueBytes(int64_t rows) const { return rows * headDim * 4; }
  int64_t weightsOffset() const { return valueBytes(parts * heads); }
  int64_t floats() const { return parts * heads * (headDim + 2); }
};

} // namespace

/// As many parts as give each SM of a large device two CTAs, whose copies keep
/// the memory busy; but not more than there can be tiles of visible keys, and
/// not more than 128, since the merge reads as much of each as of some keys.
/// Of a short row the last parts are empty, and cost little.
static int64_t partsOf(const Attention &attention, const AttentionTile &tile,
                       int64_t rowTiles) {
  constexpr int64_t kWantedCtas = 256, kMost = 128;
  int64_t ctas = attention.kvHeads * rowTiles;
  int64_t parts = std::min(kMost, (kWantedCtas + ctas - 1) / ctas);
  if (attention.window == 0)
    return parts;
  // Keys that follow each other begin anywhere in a tile.
  int64_t tiles = (attention.window + tile.keys - 2) / tile.keys + 1;
  return std::min(parts, tiles);
}

/// Attends to one part of the keys.
static void buildPart(KernelBuilder &k, const Attention &attention,
                      const AttentionTile &tile, const SplitShape &shape,
                      const Vals &parameters) {
  Val workspace = parameters[3], step = parameters[4];
  Val rows = loadStep(k, step, StepField::Rows);
  AttentionOperands operands;
  operands.query = parameters[0];
  operands.keys = parameters[1];
  operands.values = parameters[2];
  operands.capacity = parameters[5];
  operands.start = loadStep(k, step, StepField::Start) + rows - 1;
  operands.tokens = k.i32(1);
  operands.kvHead = k.blockIdY();
  operands.firstRow = k.blockIdZ() * tile.rows();
  AttentionBody body(k, attention, tile, operands);

  Val part = k.blockIdX();
  KeyTiles all = body.visibleTiles();
  Val share = (all.end - all.first + (shape.parts - 1)) / shape.parts;
  Val first = all.first + part * share;
  KeyTiles tiles = {first, all.end.min(first + share)};

  auto storeWeights = [&](Val head, Val maximum, Val sum) {
    k.store2(maximum, sum,
             k.at(workspace, k.wide(head * shape.parts + part) * 8 +
                                 shape.weightsOffset()));
  };
  auto store = [&](const AttendedRow &row) {
    Val target = k.at(workspace, k.wide(part * shape.heads + row.head) *
                                         shape.valueBytes(1) +
                                     k.wide(row.dimension << 2));
    for (auto [i, pair] : llvm::enumerate(row.pairs))
      k.store2(pair.first, pair.second,
               k.at(target, 32 * static_cast<int64_t>(i)));
    k.when(body.isFirstOfRow(),
           [&] { storeWeights(row.head, row.maximum, row.sum); });
  };
  k.when(tiles.first < tiles.end, [&] { body.attend(tiles, store); });

  int64_t heads = attention.heads / attention.kvHeads;
  Val thread = k.threadId(), row = operands.firstRow + thread;
  Val exists = (thread < tile.rows()) & (row < heads);
  k.when((tiles.first >= tiles.end) & exists, [&] {
    storeWeights(operands.kvHead * heads + row, k.f32(0), k.f32(0));
  });
}

/// Threads of a merge. Each has four dimensions of a head, of every so many
/// parts.
static constexpr int64_t kMergeThreads = 256;

/// Merges the parts of one head.
static void buildMerge(KernelBuilder &k, const SplitShape &shape,
                       const Vals &parameters) {
  Val workspace = parameters[0], result = parameters[1];
  Val thread = k.threadId(), lane = thread & 31, head = k.blockIdX();
  Val pairs =
      k.at(workspace, k.wide(head) * (8 * shape.parts) + shape.weightsOffset());

  // Every warp for itself: the largest exponent, the sum of all weights, and
  // the number of parts that have any.
  Vals exponents, sums;
  Val largest, used = k.i32(0);
  for (int64_t i = 0; i < shape.parts; i += 32) {
    Val part = lane + i;
    Val exists = part < shape.parts;
    Val pair = k.at(pairs, k.wide(k.select(exists, part, k.i32(0))) * 8);
    Val sum = k.select(exists, k.loadF32(k.at(pair, 4)), k.f32(0));
    exists = sum > 0;
    // That of part 0 stands in for those that are not there.
    Val exponent = k.loadF32(k.select(exists, pair, pairs));
    exponents.push_back(exponent);
    sums.push_back(sum);
    largest = i == 0 ? exponent : largest.max(exponent);
    used = used.max(k.select(exists, part + 1, k.i32(0)));
  }
  largest = k.warpMax(largest);
  used = k.warpMax(used);
  Val total = k.f32(0);
  for (auto [exponent, sum] : llvm::zip(exponents, sums))
    total = k.fma(sum, k.exp2(exponent - largest), total);
  total = k.warpSum(total);

  int64_t columns = shape.headDim / 4, groups = kMergeThreads / columns;
  Val column = thread % columns, group = thread / columns;
  // Loads that are under way together.
  constexpr int64_t kTogether = 4;
  Val source =
      k.at(workspace, k.wide(head) * shape.valueBytes(1) + k.wide(column << 4));
  Vals values = k.loop(
      group, used, kTogether * groups, k.zeros(4), [&](Val first, Vals values) {
        for (int64_t i = 0; i != kTogether; ++i) {
          Val part = first + i * groups;
          Val exists = part < used;
          part = k.wide(k.select(exists, part, k.i32(0)));
          Val weight = k.exp2(k.loadF32(k.at(pairs, part * 8)) - largest);
          weight = k.select(exists, weight, k.f32(0));
          Vals loaded =
              k.load4(k.getF32Type(),
                      k.at(source, part * shape.valueBytes(shape.heads)));
          for (auto [value, next] : llvm::zip(values, loaded))
            value = k.fma(next, weight, value);
        }
        return values;
      });

  Val slot = k.at(k.sharedMemory(), thread << 4);
  k.store4(values, slot);
  k.barrier();
  k.when(thread < columns, [&] {
    for (int64_t g = 1; g != groups; ++g)
      for (auto [value, other] : llvm::zip(
               values, k.load4(k.getF32Type(), k.at(slot, g * columns * 16))))
        value = value + other;
    Val scale = k.reciprocal(total);
    k.store2(
        k.packBf16(values[0] * scale, values[1] * scale),
        k.packBf16(values[2] * scale, values[3] * scale),
        k.at(result, k.wide(head) * (2 * shape.headDim) + k.wide(column << 3)));
  });
}

SplitAttention flow::cuda::buildSplitAttention(OpBuilder &builder,
                                               const KernelTarget &target,
                                               const Attention &attention) {
  AttentionTile tile = splitTile(attention.headDim);
  int64_t headsOfGroup = attention.heads / attention.kvHeads;
  int64_t rowTiles = (headsOfGroup + tile.rows() - 1) / tile.rows();
  SplitShape shape = {partsOf(attention, tile, rowTiles), attention.heads,
                      attention.headDim};
  SplitAttention split;
  split.workspaceFloats = shape.floats();

  split.parts.kernel = "split_" + nameOf(attention);
  split.parts.threads = tile.threads();
  split.parts.sharedBytes = tile.sharedBytes();
  split.parts.blocksOfSm =
      blocksOfSm(attention, tile, target.sharedMemoryLimit);
  split.parts.grid = {GridSize{shape.parts}, GridSize{attention.kvHeads},
                      GridSize{rowTiles}};
  addKernel(builder, target, split.parts,
            {Access::ReadOnly, Access::ReadOnly, Access::ReadOnly,
             Access::ReadWrite, Access::ReadOnly, Access::Scalar},
            [&](KernelBuilder &k, const Vals &parameters) {
              buildPart(k, attention, tile, shape, parameters);
            });

  split.merge.kernel = llvm::formatv("merge_attention_h{0}_d{1}_parts{2}",
                                     shape.heads, shape.headDim, shape.parts);
  split.merge.threads = kMergeThreads;
  split.merge.sharedBytes = 16 * kMergeThreads;
  split.merge.blocksOfSm = 2;
  split.merge.grid = {GridSize{shape.heads}, GridSize{1}, GridSize{1}};
  addKernel(builder, target, split.merge,
            {Access::ReadWrite, Access::ReadWrite},
            [&](KernelBuilder &k, const Vals &parameters) {
              buildMerge(k, shape, parameters);
            });
  return split;
}
