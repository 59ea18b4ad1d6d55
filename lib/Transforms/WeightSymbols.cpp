// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Looks up and combines weights.

#include "WeightSymbols.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace flow;

Operation *flow::lookupWeight(WeightRefOp ref) {
  return mlir::SymbolTable::lookupNearestSymbolFrom(ref, ref.getWeight());
}

SmallVector<WeightOp> flow::getStoredWeights(WeightRefOp ref) {
  Operation *symbol = lookupWeight(ref);
  if (auto weight = dyn_cast<WeightOp>(symbol))
    return {weight};
  SmallVector<WeightOp> stored;
  auto derived = cast<DerivedWeightOp>(symbol);
  for (auto source : derived.getSources().getAsRange<FlatSymbolRefAttr>())
    stored.push_back(cast<WeightOp>(mlir::SymbolTable::lookupSymbolIn(
        symbol->getParentOp(), source.getAttr())));
  return stored;
}

SymbolRefAttr flow::getDerivedWeight(ArrayRef<WeightRefOp> refs, StringRef name,
                                     Combine combine, std::string &refusal) {
  SmallVector<Attribute> sources;
  Operation *parent = nullptr, *last = nullptr;
  int64_t rows = 0;
  for (WeightRefOp ref : refs) {
    auto weight = dyn_cast<WeightOp>(lookupWeight(ref));
    if (!weight) {
      refusal = "a weight is itself made of others";
      return {};
    }
    if (parent && weight->getParentOp() != parent) {
      refusal = "the weights do not stand in one layer";
      return {};
    }
    parent = weight->getParentOp();
    if (!last || last->isBeforeInBlock(weight))
      last = weight;
    sources.push_back(FlatSymbolRefAttr::get(weight.getSymNameAttr()));
    rows += weight.getTensorType().getDimSize(0);
  }

  WeightRefOp first = refs.front();
  OpBuilder b(first.getContext());
  ArrayAttr list = b.getArrayAttr(sources);
  StringAttr symbol;
  for (auto derived : last->getBlock()->getOps<DerivedWeightOp>())
    if (derived.getSources() == list && derived.getCombine() == combine)
      symbol = derived.getSymNameAttr();
  if (!symbol) {
    symbol = b.getStringAttr(name);
    for (int64_t n = 1; mlir::SymbolTable::lookupSymbolIn(parent, symbol); ++n)
      symbol = b.getStringAttr(name + "_" + Twine(n));
    RankedTensorType type = first.getType();
    b.setInsertionPointAfter(last);
    DerivedWeightOp::create(b, first.getLoc(), symbol,
                            RankedTensorType::get({rows, type.getDimSize(1)},
                                                  type.getElementType()),
                            combine, list);
  }

  // The path of a source with its last component replaced.
  auto leaf = FlatSymbolRefAttr::get(symbol);
  SmallVector<FlatSymbolRefAttr> path(first.getWeight().getNestedReferences());
  if (path.empty())
    return leaf;
  path.back() = leaf;
  return SymbolRefAttr::get(first.getWeight().getRootReference(), path);
}
