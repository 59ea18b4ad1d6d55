// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dot products of short numbers: how they are known, what their lowerings
// share, and the forms that need no instruction of their own.

#ifndef FLOW_LIB_CODEGEN_CPU_DOTS_H
#define FLOW_LIB_CODEGEN_CPU_DOTS_H

#include "KernelBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <optional>

namespace flow::cpu {

/// The operands of `acc [n] + sum over k of weights [n, K] * row [K]`, before
/// both were widened to the accumulator's type.
struct Dot {
  mlir::Value weights, row, acc;

  int64_t columns() const {
    return mlir::cast<mlir::VectorType>(acc.getType()).getDimSize(0);
  }
};

/// Four unsigned by signed bytes onto i32.
std::optional<Dot> matchByteDot(mlir::vector::ContractionOp contract);

/// Four signed bytes onto i32.
std::optional<Dot> matchSignedByteDot(mlir::vector::ContractionOp contract);

/// A pair of 16-bit numbers onto i32.
std::optional<Dot> matchPairDot(mlir::vector::ContractionOp contract);

/// A pair of bf16 onto f32.
std::optional<Dot> matchBf16Dot(mlir::vector::ContractionOp contract);

/// The weights of `dot` as a vector of rank 1.
mlir::Value flatWeights(KernelBuilder &b, const Dot &dot);

/// The values of a row that meet one word of weights, as one i32.
mlir::Value asWord(KernelBuilder &b, mlir::Value row);

/// What `emit` returns for each `lanes` of the accumulator and the words of
/// the flat `weights` that they meet, side by side.
mlir::Value perRegister(
    KernelBuilder &b, const Dot &dot, mlir::Value weights, int64_t lanes,
    llvm::function_ref<mlir::Value(mlir::Value acc, mlir::Value words)> emit);

/// Calls what LLVM calls `name`.
mlir::Value callIntrinsic(KernelBuilder &b, llvm::StringRef name,
                          mlir::Type result, mlir::ValueRange operands);

/// Four unsigned by signed bytes in multiplications of 32 bits.
mlir::Value emitByteProducts(KernelBuilder &b, const Dot &dot);

/// A pair of bf16 as two fused multiply-adds of f32, the odd one first, as
/// `vdpbf16ps` has them.
mlir::Value emitFmaPairs(KernelBuilder &b, const Dot &dot);

/// Replaces every contraction in `root` by what `emit` returns for it; where
/// that is null the contraction is an error.
mlir::LogicalResult
replaceContractions(mlir::Operation *root,
                    llvm::function_ref<mlir::Value(KernelBuilder &,
                                                   mlir::vector::ContractionOp)>
                        emit);

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_DOTS_H
