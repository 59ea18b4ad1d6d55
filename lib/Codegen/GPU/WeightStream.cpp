// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Copies weights into the queue of a lane, and multiplies what has arrived.

#include "WeightStream.h"

#include <algorithm>

using namespace mlir;
using namespace flow::cuda;

/// Bytes of a warp's step.
static constexpr int64_t kStepBytes = 32 * 16;

/// Bytes that a lane copies to have its scale: that of its chunk, or the pair
/// it belongs to where a copy cannot be so small; 0 if there are none.
static int64_t scaleCopyBytes(const WeightFormat &format) {
  return format.isBlocks() ? std::max<int64_t>(4, scaleBytes(format)) : 0;
}

int64_t WeightStream::sharedBytes(const Product &product, int64_t warps) {
  return warps * kQueue * (kStepBytes + 32 * scaleCopyBytes(product.weights));
}

int64_t WeightStream::stepsOfRow(const Product &product) {
  int64_t weightsOfStep = 32 * weightsOfChunk(product.weights);
  return (product.depth + weightsOfStep - 1) / weightsOfStep;
}

WeightStream::WeightStream(KernelBuilder &k, const Product &product,
                           Val weights, Val shared, Val warp, int64_t warps,
                           Val lane)
    : k(k), product(product), weights(weights), lane(lane) {
  // Slots of a lane are a warp's step apart: those of a warp fill all banks.
  slot = k.at(shared, warp * (kStepBytes * kQueue) + (lane << 4));
  int64_t scaleBytes = scaleCopyBytes(product.weights);
  scaleSlot = k.at(shared, (warp * (32 * kQueue) + lane) * scaleBytes +
                               warps * kStepBytes * kQueue);
}

Val WeightStream::blockOf(Val chunk) const {
  return chunk / (product.weights.block / weightsOfChunk(product.weights));
}

void WeightStream::copy(Val item, Val row, Val step, Val exists) {
  Val chunk = step * 32 + lane;
  if (chunksOfRow() % 32 != 0)
    exists = exists & (chunk < chunksOfRow());
  Val source =
      k.at(weights, k.wide(row) * rowBytes(product.weights, product.depth) +
                        k.wide(chunk << 4));
  k.copyAsync16(k.at(slot, (item & (kQueue - 1)) * kStepBytes), source,
                k.select(exists, k.i32(16), k.i32(0)));
  if (product.weights.isBlocks())
    copyScales(item, row, chunk, exists);
  k.commitCopies();
}

void WeightStream::copyScales(Val item, Val row, Val chunk, Val exists) {
  const WeightFormat &format = product.weights;
  int64_t size = scaleCopyBytes(format);
  int64_t scalesOfCopy = size / scaleBytes(format);
  Val scales = k.at(weights, product.columns * rowBytes(format, product.depth));
  Val source = k.at(scales, k.wide(row) * scaleRowBytes(format, product.depth) +
                                k.wide(blockOf(chunk) / scalesOfCopy * size));
  k.copyAsyncCached(k.at(scaleSlot, (item & (kQueue - 1)) * (32 * size)),
                    source, size, k.select(exists, k.i32(size), k.i32(0)));
}

Vals WeightStream::dot(Val item, Val step, Val x, const Vals &sums) {
  auto multiply = [&] {
    return product.weights.isBlocks() ? dotBlocks(item, step, x, sums)
                                      : dotBf16(item, step, x, sums);
  };
  if (chunksOfRow() % 32 == 0)
    return multiply();
  return k.when(step * 32 + lane < chunksOfRow(), sums, multiply);
}

Vals WeightStream::dotBf16(Val item, Val step, Val x, const Vals &sums) {
  Vals w =
      k.load4(k.getI32Type(), k.at(slot, (item & (kQueue - 1)) * kStepBytes));
  Val chunk = step * 32 + lane;
  Vals values = k.load4(k.getI32Type(), k.at(x, chunk << 4));
  Val low = sums[0], high = sums[1];
  for (auto [a, b] : llvm::zip(w, values)) {
    auto [a0, a1] = k.unpackBf16(a);
    auto [b0, b1] = k.unpackBf16(b);
    low = k.fma(a0, b0, low);
    high = k.fma(a1, b1, high);
  }
  return {low, high};
}

Vals WeightStream::dotBlocks(Val item, Val step, Val x, const Vals &sums) {
  const WeightFormat &format = product.weights;
  int64_t groups = weightsOfChunk(format) / 8;
  Val place = item & (kQueue - 1);
  Vals words = k.load4(k.getI32Type(), k.at(slot, place * kStepBytes));
  SmallVector<SmallVector<QuantPair>> quants;
  for (Val word : words)
    quants.push_back(widenToF32(k, format, word));

  // The lane's group i of 8 columns is `i ^ turn`, so that lanes whose x are 32
  // or 64 bytes apart do not meet at a bank. 32 lanes turn in the same way each
  // step.
  Val turn = turnOf(format, lane / (32 / weightsOfChunk(format)));
  Val first = (lane * groups + turn) << 4;
  Val stepOfX = k.at(x, step * (32 * groups * 16));
  Vals part = k.zeros(2), plain = k.zeros(2);
  for (int64_t i = 0; i != groups; ++i) {
    Vals values = k.load4(k.getI32Type(), k.at(stepOfX, first ^ (i << 4)));
    for (auto [t, pair] : llvm::enumerate(values)) {
      auto [x0, x1] = k.unpackBf16(pair);
      part[0] = k.fma(quants[t][i].first, x0, part[0]);
      part[1] = k.fma(quants[t][i].second, x1, part[1]);
      if (!format.hasMin)
        continue;
      plain[0] = plain[0] + x0;
      plain[1] = plain[1] + x1;
    }
  }

  int64_t copied = scaleCopyBytes(format);
  Val scaleAt = k.at(scaleSlot, place * (32 * copied));
  Vals scaleWords;
  for (int64_t i = 0; i != copied; i += 4)
    scaleWords.push_back(k.loadI32(k.at(scaleAt, i)));
  BlockScale scale = readScale(k, format, scaleWords, blockOf(lane));
  Vals next;
  for (int64_t i = 0; i != 2; ++i) {
    next.push_back(k.fma(scale.scale, part[i], sums[i]));
    if (format.hasMin)
      next[i] = k.fma(scale.min, plain[i], next[i]);
  }
  return next;
}
