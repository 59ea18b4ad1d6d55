// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks that several verifiers of the dialect share.

#ifndef FLOW_IR_FLOWVERIFY_H
#define FLOW_IR_FLOWVERIFY_H

#include "flow/IR/FlowOps.h"

namespace flow {

/// Fails with "(Cn): what must be …, got v" unless `value` is finite and above
/// zero.
mlir::LogicalResult verifyPositive(mlir::Operation *op,
                                   llvm::StringRef constraint,
                                   llvm::StringRef name, llvm::APFloat value);

/// Fails unless there are either all of `scalars`, whose `names` are for the
/// message, or `sequences`.
mlir::LogicalResult verifyPlace(mlir::Operation *op, llvm::StringRef constraint,
                                llvm::StringRef names,
                                llvm::ArrayRef<mlir::Value> scalars,
                                mlir::Value sequences);

/// Fails if an op says that its `sequences`, which may be null, have single
/// rows, and has none.
mlir::LogicalResult verifySingleRows(mlir::Operation *op,
                                     llvm::StringRef constraint,
                                     bool singleRows, mlir::Value sequences);

/// The type of one sequence's keys or values, `[C, K, D]`, in caches of type
/// `cache`, which have a leading dimension of slots with `sequences`; null if
/// they have another rank.
mlir::RankedTensorType getSlotType(mlir::RankedTensorType cache,
                                   mlir::Value sequences);

/// Fails unless rows and weight agree in layout: quantised rows with `i8`
/// panels of the same block or twice it, plain rows with anything else.
mlir::LogicalResult verifyLayouts(mlir::Operation *op,
                                  llvm::StringRef constraint,
                                  mlir::Attribute rows,
                                  mlir::RankedTensorType weight);

/// Fails unless `result` is `rows`, or f32 `rows` in a layout of rows.
mlir::LogicalResult verifyLaidOutRows(mlir::Operation *op,
                                      llvm::StringRef constraint,
                                      mlir::Type rows, mlir::Type result);

/// Fails unless `[T, K] x [N, K] -> [T, N]`.
mlir::LogicalResult verifyProduct(mlir::Operation *op,
                                  llvm::StringRef constraint,
                                  mlir::RankedTensorType input,
                                  mlir::RankedTensorType weight,
                                  mlir::RankedTensorType result);

} // namespace flow

#endif // FLOW_IR_FLOWVERIFY_H
