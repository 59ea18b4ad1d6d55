// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tiles of weights in integer blocks, for products of many rows.

#ifndef FLOW_LIB_CODEGEN_GPU_WEIGHTTILE_H
#define FLOW_LIB_CODEGEN_GPU_WEIGHTTILE_H

#include "WeightBlocks.h"

#include <algorithm>
#include <array>

namespace flow::cuda {

/// Weights of 32 columns of `x`, of as many rows as there are threads, and
/// their scales, in a part of shared memory that the object knows the size of.
/// They lie there as they are, and are widened in registers.
class WeightTile {
public:
  /// Depth of a tile: a block, or two.
  static constexpr int64_t kDepth = 32;

  static int64_t bytes(const WeightFormat &format, int64_t rows) {
    return rows * (quantBytes(format) + copiedScaleBytes(format));
  }

  /// Rows `firstRow` and on of the weights, one for each of `rows` threads, of
  /// which this is `thread`.
  WeightTile(KernelBuilder &k, const Product &product, Val weights,
             Val firstRow, int64_t rows, Val thread);

  /// Starts this thread's copies of tile `step` of the depth to `shared`.
  void copy(Val shared, Val step);

  /// What the lane multiplies with of 8 rows: fragments of mma.m16n8k16 for the
  /// two halves of the depth, in the order of the columns `i ^ turn`, and the
  /// scales of rows `2 t` and `2 t + 1`, of each block of the depth.
  struct Fragments {
    std::array<std::array<Val, 2>, 2> quants;
    llvm::SmallVector<std::array<BlockScale, 2>, 2> scales;
  };
  /// Of the rows from `row` on, `row` being a multiple of 8, from `shared`.
  Fragments load(Val shared, Val row, Val lane, Val step);

private:
  static int64_t quantBytes(const WeightFormat &format) {
    return rowBytes(format, kDepth);
  }
  /// Bytes of a row's scales in the tile: those of its blocks, or of a pair of
  /// blocks where a copy cannot be so small.
  static int64_t copiedScaleBytes(const WeightFormat &format) {
    return std::max<int64_t>(4, kDepth / format.block * scaleBytes(format));
  }

  KernelBuilder &k;
  const Product &product;
  int64_t rows;
  /// This thread's copies: where quants and scales come from and go to, and
  /// whether the rows exist; null if all do.
  llvm::SmallVector<Val, 2> sources, targets, exist;
  Val scaleSource, scaleTarget, scaleExists;
};

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_WEIGHTTILE_H
