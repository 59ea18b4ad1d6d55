// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds what stands around the layers of one step.

#include "flow/Builders/GemmaStep.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace flow;

GemmaStep::GemmaStep(OpBuilder &builder, ModelOp model,
                     const StepInputs &inputs)
    : b(model.getLoc(), builder), model(model), inputs(inputs) {}

void GemmaStep::name(const Twine &what) {
  b.setLoc(NameLoc::get(b.getStringAttr(what)));
}

RankedTensorType GemmaStep::getRowsType(ArrayRef<int64_t> inner) {
  SmallVector<int64_t> shape{
      cast<RankedTensorType>(inputs.tokens.getType()).getDimSize(0)};
  shape.append(inner.begin(), inner.end());
  return RankedTensorType::get(shape, b.getF32Type());
}

Value GemmaStep::createWeightRef(ImplicitLocOpBuilder &at, WeightOp weight) {
  SmallVector<FlatSymbolRefAttr> path;
  if (auto layer = dyn_cast<LayerOp>(weight->getParentOp()))
    path.push_back(FlatSymbolRefAttr::get(layer.getSymNameAttr()));
  path.push_back(FlatSymbolRefAttr::get(weight.getSymNameAttr()));
  return WeightRefOp::create(at, weight.getTensorType(),
                             SymbolRefAttr::get(model.getSymNameAttr(), path));
}

Value GemmaStep::getAngles(RopeTableOp table) {
  Value &known = angles[table.getSymName()];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfter(lastInput);
  name("rope/" + table.getSymName());
  int64_t pairs = static_cast<int64_t>(table.getHeadDim()) / 2;
  auto op = RopeAnglesOp::create(
      b, getRowsType({pairs, 2}),
      SymbolRefAttr::get(model.getSymNameAttr(),
                         {FlatSymbolRefAttr::get(table.getSymNameAttr())}),
      inputs.start, inputs.sequences, rows);
  lastInput = op;
  return known = op;
}

llvm::APFloat GemmaStep::getEmbeddingScale(int64_t width) {
  llvm::APFloat scale(std::sqrt(static_cast<float>(width)));
  bool lost;
  if (model.getBf16EmbeddingScale()) // keeps 8 bits
    scale.convert(llvm::APFloat::BFloat(), llvm::APFloat::rmNearestTiesToEven,
                  &lost);
  scale.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven,
                &lost);
  return scale;
}

FailureOr<GemmaStep> GemmaStep::create(OpBuilder &builder, ModelOp model,
                                       const StepInputs &inputs) {
  for (StringRef needed : {"embedding", "final_norm"})
    if (!model.lookupSymbol<WeightOp>(needed))
      return model.emitOpError("has no weight @") << needed;
  GemmaStep step(builder, model, inputs);
  ImplicitLocOpBuilder &b = step.b;
  step.name("step");
  step.zero = arith::ConstantIndexOp::create(b, 0);
  step.rows = tensor::DimOp::create(b, inputs.tokens, step.zero);
  if (!inputs.sequences)
    step.total = arith::AddIOp::create(b, inputs.start, inputs.count);

  step.name("embed");
  int64_t hidden = model.getHyper().getHidden();
  Value table =
      step.createWeightRef(b, model.lookupSymbol<WeightOp>("embedding"));
  auto embed = EmbedOp::create(b, step.getRowsType({hidden}), inputs.tokens,
                               table, step.getEmbeddingScale(hidden));
  step.embedded = embed;
  step.lastInput = embed;
  return step;
}

Value GemmaStep::createHead(Value stream, StepLogits logits) {
  name("head/norm");
  int64_t hidden = model.getHyper().getHidden();
  auto type = cast<RankedTensorType>(stream.getType());
  if (logits == StepLogits::Last && type.getDimSize(0) != 1) {
    Value one = arith::ConstantIndexOp::create(b, 1);
    Value last = arith::SubIOp::create(b, inputs.count, one);
    type = type.clone({1, hidden});
    stream = tensor::ExtractSliceOp::create(
        b, type, stream, SmallVector<OpFoldResult>{last, b.getIndexAttr(0)},
        SmallVector<OpFoldResult>{b.getIndexAttr(1), b.getIndexAttr(hidden)},
        SmallVector<OpFoldResult>{b.getIndexAttr(1), b.getIndexAttr(1)});
  }
  Value scale = createWeightRef(b, model.lookupSymbol<WeightOp>("final_norm"));
  Value normed =
      RmsNormOp::create(b, type, stream, scale, model.getHyper().getEps());
  if (logits == StepLogits::None)
    return normed;
  name("head/logits");
  auto head = model.lookupSymbol<WeightOp>("head");
  Value table = createWeightRef(
      b, head ? head : model.lookupSymbol<WeightOp>("embedding"));
  const llvm::APFloat cap = model.getHyper().getFinalSoftcap();
  return LmHeadOp::create(
      b, type.clone({type.getDimSize(0), model.getHyper().getVocab()}), normed,
      table,
      cap.isZero() ? FloatAttr() : b.getF64FloatAttr(cap.convertToDouble()));
}

TopKOp GemmaStep::createCandidates(Value logits, int64_t count) {
  name("head/candidates");
  auto type = cast<RankedTensorType>(logits.getType());
  auto values = type.clone({type.getDimSize(0), count});
  return TopKOp::create(b, values, values.clone(b.getI32Type()), logits);
}
