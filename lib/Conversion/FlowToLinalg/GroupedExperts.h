// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The experts' MLPs, one after the other over the rows that chose them.

#ifndef FLOW_LIB_CONVERSION_FLOWTOLINALG_GROUPEDEXPERTS_H
#define FLOW_LIB_CONVERSION_FLOWTOLINALG_GROUPEDEXPERTS_H

#include "mlir/IR/Builders.h"

namespace flow {

/// What an expert computes of its rows, given in as many tensors as a layout
/// has parts: the expert's number is an index.
using ExpertMlp = llvm::function_ref<mlir::Value(
    mlir::OpBuilder &, mlir::Value expert, mlir::ValueRange rows)>;

/// `sum over j of shares[t, j] * mlp(experts[t, j], row t)`, `[T, width] f32`,
/// over `expertCount` experts. `parts` hold the rows, `experts` is `[T, k]
/// i32`, `shares` `[T, k] f32`. Each expert that was chosen has one call of
/// `mlp`, whose rows are a multiple of `rowUnit`; a single row (`T` = 1) has
/// one for each of its choices.
mlir::Value buildGroupedExperts(mlir::OpBuilder &builder, mlir::Location loc,
                                mlir::ValueRange parts, mlir::Value experts,
                                mlir::Value shares, int64_t expertCount,
                                int64_t width, int64_t rowUnit, ExpertMlp mlp);

/// The part of packed weights `[E * n, ...]` that belongs to `expert`, of
/// `expertCount`.
mlir::Value takeExpert(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Value packed, mlir::Value expert,
                       int64_t expertCount);

} // namespace flow

#endif // FLOW_LIB_CONVERSION_FLOWTOLINALG_GROUPEDEXPERTS_H
