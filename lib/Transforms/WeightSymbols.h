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

/// The weights of `refs` combined: the derived weight `name` beside them, made
/// if it does not exist, as its path from the module. Null if they do not stand
/// in one layer, or if `name` is something else.
mlir::SymbolRefAttr getDerivedWeight(llvm::ArrayRef<WeightRefOp> refs,
                                     llvm::StringRef name, Combine combine);

} // namespace flow

#endif // FLOW_LIB_TRANSFORMS_WEIGHTSYMBOLS_H
