// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Copies tiles of integer blocks and makes fragments of them.

#include "WeightTile.h"

using namespace mlir;
using namespace flow::cuda;

/// Where chunk `chunk` of row `row` lies in its row of a tile. Rows of two
/// chunks change places every 4 rows, so that 8 rows at one of them touch all
/// banks.
static Val placeOf(Val row, Val chunk, int64_t chunks) {
  return chunks == 1 ? chunk : chunk ^ ((row >> 2) & 1);
}

WeightTile::WeightTile(KernelBuilder &k, const Product &product, Val weights,
                       Val firstRow, int64_t rows, Val thread)
    : k(k), product(product), rows(rows) {
  const WeightFormat &format = product.weights;
  int64_t chunks = quantBytes(format) / 16;
  bool isWhole = product.columns % rows == 0;
  auto exists = [&](Val row) {
    return isWhole ? Val() : row < product.columns;
  };
  for (int64_t i = 0; i != chunks; ++i) {
    Val row = thread / chunks + i * (rows / chunks), chunk = thread % chunks;
    Val global = firstRow + row;
    sources.push_back(
        k.at(weights, k.wide(global) * rowBytes(format, product.depth) +
                          k.wide(chunk << 4)));
    targets.push_back(row * quantBytes(format) +
                      (placeOf(row, chunk, chunks) << 4));
    exist.push_back(exists(global));
  }
  Val global = firstRow + thread;
  Val scales = k.at(weights, product.columns * rowBytes(format, product.depth));
  scaleSource =
      k.at(scales, k.wide(global) * scaleRowBytes(format, product.depth));
  scaleTarget = thread * copiedScaleBytes(format) + rows * quantBytes(format);
  scaleExists = exists(global);
}

void WeightTile::copy(Val shared, Val step) {
  const WeightFormat &format = product.weights;
  // A tile lies within the depth or beyond it. Of one beyond, or of a row that
  // does not exist, nothing is read and zeros are written.
  Val within = step < product.depth / kDepth;
  auto size = [&](int64_t bytes, Val exists) {
    Val reads = Value(exists) ? within & exists : within;
    return k.select(reads, k.i32(bytes), k.i32(0));
  };
  for (auto [source, target, exists] : llvm::zip(sources, targets, exist))
    k.copyAsync16(k.at(shared, target),
                  k.at(source, k.wide(step * quantBytes(format))),
                  size(16, exists));
  int64_t copied = copiedScaleBytes(format);
  int64_t blocksOfCopy = copied / scaleBytes(format);
  Val offset = step * (kDepth / format.block) / blocksOfCopy * copied;
  k.copyAsyncCached(k.at(shared, scaleTarget),
                    k.at(scaleSource, k.wide(offset)), copied,
                    size(copied, scaleExists));
}

WeightTile::Fragments WeightTile::load(Val shared, Val row, Val lane,
                                       Val step) {
  const WeightFormat &format = product.weights;
  Fragments fragments;
  Val own = row + (lane >> 2), word = (lane & 3) << 2;
  Val quants = k.at(shared, own * quantBytes(format) + word);
  if (format.bits == 8) {
    for (int64_t half = 0; half != 2; ++half) {
      Val place = placeOf(own, k.i32(half), 2) << 4;
      Vals pairs = widenToBf16(k, format, k.loadI32(k.at(quants, place)));
      fragments.quants[half] = {pairs[0], pairs[1]};
    }
  } else {
    Vals pairs = widenToBf16(k, format, k.loadI32(quants));
    fragments.quants = {{{pairs[0], pairs[1]}, {pairs[2], pairs[3]}}};
  }

  int64_t copied = copiedScaleBytes(format);
  Val scales = k.at(shared, (row + ((lane & 3) << 1)) * copied +
                                rows * quantBytes(format));
  Vals words;
  if (copied == 4) {
    words = k.load2(k.getI32Type(), scales);
  } else {
    for (int64_t i = 0; i != 2 * copied; i += 16)
      words.append(k.load4(k.getI32Type(), k.at(scales, i)));
  }
  // Of each row as many words, and in them those of each block.
  ArrayRef<Val> all(words);
  int64_t wordsOfRow = copied / 4;
  for (int64_t b = 0; b != kDepth / format.block; ++b) {
    int64_t at = b * scaleBytes(format) / 4;
    fragments.scales.push_back(
        {readScale(k, format, all.drop_front(at), step),
         readScale(k, format, all.drop_front(wordsOfRow + at), step)});
  }
  return fragments;
}
