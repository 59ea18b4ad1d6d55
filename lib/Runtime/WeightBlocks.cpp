// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packs rows of integer blocks in the order of a warp's lanes.

#include "WeightBlocks.h"

#include <cstring>

using namespace flow;
using namespace flow::runtime;

WeightBlocksLayout::WeightBlocksLayout(const PackedWeight &weight) {
  quantBytes = weight.cols * weight.bits / 8;
  int64_t entry =
      (weight.scale == ScaleType::F16 ? 2 : 4) * (weight.hasMin ? 2 : 1);
  scaleBytes = (weight.cols / weight.block * entry + 3) / 4 * 4;
}

bool flow::runtime::holdsSignedBytes(const PackedWeight &weight) {
  return weight.packing == Packing::WeightBlocks && weight.bits == 8;
}

BlocksScratch::BlocksScratch(const PackedWeight &weight)
    : quants(weight.cols), scales(weight.cols / 16), minima(weight.cols / 16) {}

/// Column of a chunk whose signed byte is byte `i` of word `t`.
static int64_t byteColumn(int64_t chunk, int64_t t, int64_t i) {
  return 8 * ((i / 2) ^ (chunk / 4 % 2)) + 2 * t + i % 2;
}

/// Column of a chunk whose four bits are the `i`-th of word `t`.
static int64_t nibbleColumn(int64_t chunk, int64_t t, int64_t i) {
  return 8 * ((i % 4) ^ (chunk / 2 % 4)) + 2 * t + i / 4;
}

static std::byte *storeNumber(ScaleType type, float value, std::byte *out) {
  if (type == ScaleType::F32) {
    std::memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
  }
  uint16_t half = ggml::f32ToF16(value);
  std::memcpy(out, &half, sizeof(half));
  return out + sizeof(half);
}

void flow::runtime::packWeightBlocks(const PackedWeight &weight,
                                     ggml::Type type, const std::byte *row,
                                     int64_t index, std::byte *out,
                                     BlocksScratch &scratch) {
  ggml::IntegerForm form = *ggml::integerForm(type);
  ggml::unpackRow(type, row, scratch.quants.data(), scratch.scales.data(),
                  scratch.minima.data(), weight.cols);
  WeightBlocksLayout layout(weight);
  std::byte *quants = out + index * layout.quantBytes;
  int64_t columnsOfChunk = 128 / weight.bits;
  for (int64_t c = 0; c != weight.cols / columnsOfChunk; ++c) {
    const int8_t *columns = scratch.quants.data() + c * columnsOfChunk;
    for (int64_t t = 0; t != 4; ++t, quants += 4) {
      uint32_t word = 0;
      for (int64_t i = 0; i != 32 / weight.bits; ++i) {
        int64_t column =
            weight.bits == 8 ? byteColumn(c, t, i) : nibbleColumn(c, t, i);
        auto quant = static_cast<uint32_t>(columns[column] + weight.offset);
        word |= (quant & ((1u << weight.bits) - 1)) << (weight.bits * i);
      }
      std::memcpy(quants, &word, sizeof(word));
    }
  }
  std::byte *scales =
      out + weight.rows * layout.quantBytes + index * layout.scaleBytes;
  for (int64_t b = 0; b != weight.cols / weight.block; ++b) {
    int64_t from = b * weight.block / form.block;
    scales = storeNumber(weight.scale, scratch.scales[from], scales);
    if (weight.hasMin)
      scales = storeNumber(weight.scale, form.hasMin ? scratch.minima[from] : 0,
                           scales);
  }
}
