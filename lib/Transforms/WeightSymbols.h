// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weights by symbol: where they live, and what they are made of.

#ifndef FLOW_LIB_TRANSFORMS_WEIGHTSYMBOLS_H
#define FLOW_LIB_TRANSFORMS_WEIGHTSYMBOLS_H

#include "flow/IR/FlowOps.h"

namespace flow {

/// The `flow.weight_ref` that gives `value`, or null.
inline WeightRefOp getWeightRef(mlir::Value value) {
  return value ? value.getDefiningOp<WeightRefOp>() : WeightRefOp();
}

/// The `flow.weight` or `flow.derived_weight` that `ref` names.
mlir::Operation *lookupWeight(WeightRefOp ref);

/// The stored weights that the weight of `ref` is made of.
llvm::SmallVector<WeightOp> getStoredWeights(WeightRefOp ref);

/// The path from the module to the weights of `refs`, matrices of one row
/// length, combined: the derived weight that stands beside them already, else a
/// new one called `name` (or `name_1`, … if that is something else). Null, with
/// the reason in `refusal` and nothing changed, if there can be none.
mlir::SymbolRefAttr getDerivedWeight(llvm::ArrayRef<WeightRefOp> refs,
                                     llvm::StringRef name, Combine combine,
                                     std::string &refusal);

} // namespace flow

#endif // FLOW_LIB_TRANSFORMS_WEIGHTSYMBOLS_H
