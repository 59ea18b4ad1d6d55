// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes layers of recipes.

#include "flow/Builders/LayerRecipe.h"

using namespace mlir;
using namespace flow;

llvm::Expected<LayerOp> flow::createLayer(OpBuilder &b, Location loc,
                                          const LayerRecipe &recipe,
                                          WeightMaker makeWeight) {
  bool shared = recipe.source >= 0;
  std::string number = std::to_string(recipe.index);
  std::string cache = "kv" + (shared ? std::to_string(recipe.source) : number);
  if (!shared)
    KvCacheOp::create(b, loc, cache, recipe.attention.getKvHeads(),
                      recipe.attention.getHeadDim(), /*element=*/nullptr,
                      /*ring=*/nullptr);
  auto layer = LayerOp::create(
      b, loc, "layer" + number, recipe.norms, recipe.attention, recipe.mask,
      recipe.rope, FlatSymbolRefAttr::get(b.getContext(), cache), shared,
      recipe.feedForward,
      recipe.perLayer ? b.getI64IntegerAttr(recipe.perLayer) : IntegerAttr(),
      recipe.layerScalar);
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&layer.getBody());
  for (const WeightRole &role : getWeightRoles(layer))
    if (llvm::Error error = makeWeight(b, role))
      return std::move(error);
  return layer;
}
