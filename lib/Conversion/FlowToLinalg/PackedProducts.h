// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of rows with packed weights as linalg ops.

#ifndef FLOW_LIB_CONVERSION_FLOWTOLINALG_PACKEDPRODUCTS_H
#define FLOW_LIB_CONVERSION_FLOWTOLINALG_PACKEDPRODUCTS_H

#include "flow/Codegen/CPU/Kernels.h"
#include "mlir/IR/Builders.h"

namespace flow {

/// `rows [T, K] f32` by `panels [N/32, K, 32] f32`: `[T, N]`.
mlir::Value buildF32Product(mlir::OpBuilder &builder, mlir::Location loc,
                            mlir::Value rows, mlir::Value panels);

/// `rows [T, K] bf16` by `panels [N/32, K/2, 64] bf16`: `[T, N] f32`.
mlir::Value buildBf16Product(mlir::OpBuilder &builder, mlir::Location loc,
                             mlir::Value rows, mlir::Value panels);

/// Weights packed in blocks of integers, as `#flow.panels` describes: quants
/// `[N/32, K/4, 128] i8`, or `[N/32, K/8, 128]` of half bytes, perhaps `[N/32,
/// K/c, 128]` of upper bits and perhaps `[N/32, l K/32, 128]` of `l` low bits;
/// scales `[N/32, K/block, 32]` of f16 or f32; minima of the same shape in f32
/// or null.
struct I8Panels {
  mlir::Value quants, upperBits, lowBits, scales, minima;
  /// What was added to the quants: a power of two up to 128, or 0.
  int64_t offset = 128;
};

/// Quantised rows by 8-bit panels: `[T, N] f32`.
mlir::Value buildI8Product(mlir::OpBuilder &builder, mlir::Location loc,
                           const cpu::QuantizedRows &rows,
                           const I8Panels &panels);

} // namespace flow

#endif // FLOW_LIB_CONVERSION_FLOWTOLINALG_PACKEDPRODUCTS_H
