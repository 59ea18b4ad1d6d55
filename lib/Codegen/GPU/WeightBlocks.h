// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weights in integer blocks: where they lie, and how they become floats.

#ifndef FLOW_LIB_CODEGEN_GPU_WEIGHTBLOCKS_H
#define FLOW_LIB_CODEGEN_GPU_WEIGHTBLOCKS_H

#include "KernelBuilder.h"
#include "flow/Codegen/GPU/Kernels.h"

#include <string>

namespace flow::cuda {

/// The part of a kernel's name that says so: `_q8`, with `_16` for blocks of 16
/// weights, `_wide` for scales of f32 and `_min` for minima; none for bf16.
std::string suffixOf(const WeightFormat &format);

/// Weights in a chunk of 16 bytes.
inline int64_t weightsOfChunk(const WeightFormat &format) {
  return 128 / format.bits;
}
/// Bytes of a row of quants, or of bf16.
inline int64_t rowBytes(const WeightFormat &format, int64_t depth) {
  return depth * format.bits / 8;
}
/// Bytes of a scale, with its minimum if there are any.
inline int64_t scaleBytes(const WeightFormat &format) {
  return (format.wideScales ? 4 : 2) * (format.hasMin ? 2 : 1);
}
/// Bytes of the scales of a row.
inline int64_t scaleRowBytes(const WeightFormat &format, int64_t depth) {
  return (depth / format.block * scaleBytes(format) + 3) / 4 * 4;
}

/// Groups of 8 columns of a row are in the order `i ^ turn`, which is one
/// number for all columns of a block of 32: of the block's number.
Val turnOf(const WeightFormat &format, Val block);

/// A scale and a minimum, f32.
struct BlockScale {
  /// `min` is there if the format has it.
  Val scale, min;
};
/// The scale in `words`, which begin at one of several bytes, or at a pair of
/// scales of 2 bytes, of which it is the one of block `block`.
BlockScale readScale(KernelBuilder &k, const WeightFormat &format,
                     llvm::ArrayRef<Val> words, Val block);

/// Quants without their scale, of the columns `2 t` and `2 t + 1` of each group
/// of 8 in turn, for word t of a chunk.
struct QuantPair {
  Val first, second;
};
llvm::SmallVector<QuantPair> widenToF32(KernelBuilder &k,
                                        const WeightFormat &format, Val word);
/// The same as pairs of bf16.
Vals widenToBf16(KernelBuilder &k, const WeightFormat &format, Val word);

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_WEIGHTBLOCKS_H
