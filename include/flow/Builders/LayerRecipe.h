// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One layer of a recipe, made of its attributes.

#ifndef FLOW_BUILDERS_LAYERRECIPE_H
#define FLOW_BUILDERS_LAYERRECIPE_H

#include "flow/IR/FlowOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/Error.h"

#include <string>

namespace flow {

/// What a `flow.layer` states. The layer is called `layer<index>`.
struct LayerRecipe {
  int64_t index = 0;
  NormPlacement norms = NormPlacement::Pre;
  AttentionSpecAttr attention;
  MaskAttr mask;
  /// A `flow.rope_table` of the model.
  std::string rope;
  /// The earlier layer whose keys and values this one reads rather than have
  /// its own; -1 = none.
  int64_t source = -1;
  FeedForwardAttr feedForward;
  /// Width of what tokens and embeddings say to the layer; 0 = nothing.
  int64_t perLayer = 0;
  bool layerScalar = false;
};

/// Makes a weight at the builder's insertion point.
using WeightMaker =
    llvm::function_ref<llvm::Error(mlir::OpBuilder &, const WeightRole &)>;

/// Makes the layer `recipe` in the body of a model, after a cache `kv<index>`
/// of its own unless it reads that of another, which has no ring (see
/// `flow-plan-cache`). `makeWeight` makes each weight that the layer needs; its
/// errors are passed on. Nothing is verified: that is for the model, once it is
/// whole.
llvm::Expected<LayerOp> createLayer(mlir::OpBuilder &b, mlir::Location loc,
                                    const LayerRecipe &recipe,
                                    WeightMaker makeWeight);

} // namespace flow

#endif // FLOW_BUILDERS_LAYERRECIPE_H
