// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which norms, sums and heads of one row the kernel that reads them makes.

#ifndef FLOW_LIB_CONVERSION_FLOWTOGPU_ROWFUSION_H
#define FLOW_LIB_CONVERSION_FLOWTOGPU_ROWFUSION_H

#include "flow/IR/FlowOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace flow {

inline mlir::RankedTensorType typeOf(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}

/// Whether tensors of `type` are rows that are rounded to bf16.
inline bool isBf16(mlir::RankedTensorType type) {
  return mlir::isa_and_nonnull<Bf16RowsAttr>(type.getEncoding());
}

/// Of the summands of `op`, the one that may be normed on the way.
mlir::Value branchOf(mlir::arith::AddFOp op);
/// The norm of the queries that `op` turns, if there is one that attention can
/// make.
RmsNormOp queryNorm(RopeOp op);
/// The norm of `branch`, if a sum makes it on its way.
RmsNormOp fusedBranch(mlir::Value branch);
/// The two norms that `branch` adds, if the sum that it joins makes them.
std::optional<std::array<RmsNormOp, 2>> fusedParts(mlir::Value branch);
/// The embedding of a layer, a sum, if the product behind its gate makes it.
mlir::arith::AddFOp fusedEmbedding(PerLayerGateOp op);
/// Whether a product makes the sum.
bool isMadeByProduct(mlir::arith::AddFOp op);
/// Whether who reads the norm makes it.
bool isFused(RmsNormOp op);
/// The op whose norm or sum, normed or rounded, is `rows`, if the product that
/// reads them makes them itself.
mlir::Operation *fusedSum(mlir::Value rows);
/// The attention whose kernel makes the heads of `op` itself, if one does.
AttentionOp fusedAttention(QkvRopeAppendOp op);
AttentionOp fusedAttention(RopeOp op);

} // namespace flow

#endif // FLOW_LIB_CONVERSION_FLOWTOGPU_ROWFUSION_H
