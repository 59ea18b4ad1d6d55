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
                                     Combine combine) {
  SmallVector<Attribute> sources;
  Operation *parent = nullptr;
  int64_t rows = 0;
  for (WeightRefOp ref : refs) {
    auto weight = dyn_cast<WeightOp>(lookupWeight(ref));
    if (!weight || (parent && weight->getParentOp() != parent))
      return {};
    parent = weight->getParentOp();
    sources.push_back(FlatSymbolRefAttr::get(weight.getSymNameAttr()));
    rows += weight.getTensorType().getDimSize(0);
  }
  WeightRefOp first = refs.front();
  RankedTensorType firstType = first.getType();
  OpBuilder b(first.getContext());
  auto type = RankedTensorType::get({rows, firstType.getDimSize(1)},
                                    firstType.getElementType());
  ArrayAttr list = b.getArrayAttr(sources);
  Operation *existing =
      mlir::SymbolTable::lookupSymbolIn(parent, b.getStringAttr(name));
  if (existing) {
    auto derived = dyn_cast<DerivedWeightOp>(existing);
    if (!derived || derived.getSources() != list ||
        derived.getCombine() != combine)
      return {};
  } else {
    b.setInsertionPointToEnd(&parent->getRegion(0).front());
    DerivedWeightOp::create(b, first.getLoc(), name, type, combine, list);
  }
  // The path of a source with its last component replaced.
  SmallVector<FlatSymbolRefAttr> path(
      first.getWeight().getNestedReferences().begin(),
      first.getWeight().getNestedReferences().end());
  path.back() = FlatSymbolRefAttr::get(b.getContext(), name);
  return SymbolRefAttr::get(first.getWeight().getRootReference(), path);
}
