// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The assembly line: its verbs of one stage, and the line of a recipe.

#include "flow/Builders/GemmaLayerBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace flow;

static std::string textOf(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

GemmaLayerBuilder::GemmaLayerBuilder(GemmaStep &step, StringRef name,
                                     Value stream)
    : step(step), b(step.getModel().getLoc(), step.getBuilder()), layer(name),
      type(stream.getType()), current(stream) {
  Block *block = b.getInsertionBlock();
  Block::iterator end = b.getInsertionPoint();
  before = end == block->begin() ? nullptr : &*std::prev(end);
}

//===----------------------------------------------------------------------===//
// Names, symbols and mistakes
//===----------------------------------------------------------------------===//

bool GemmaLayerBuilder::fail(const Twine &what) {
  if (!failed)
    emitError(step.getModel().getLoc(), Twine(layer) + ": " + what);
  failed = true;
  return false;
}

bool GemmaLayerBuilder::begin(StringRef verb, StringRef name) {
  if (failed)
    return false;
  if (finished)
    return fail(verb + " follows finish");
  verbName = nextName.empty() ? name.str() : nextName;
  nextName.clear();
  this->name();
  return true;
}

void GemmaLayerBuilder::name(StringRef part) {
  std::string whole = layer + "/" + verbName;
  if (!part.empty())
    whole += ("/" + part).str();
  b.setLoc(NameLoc::get(b.getStringAttr(whole)));
}

WeightOp GemmaLayerBuilder::findWeight(StringRef symbol,
                                       ArrayRef<int64_t> shape) {
  ModelOp model = step.getModel();
  WeightOp found;
  if (auto recipe = model.lookupSymbol<LayerOp>(layer))
    found = recipe.lookupSymbol<WeightOp>(symbol);
  if (!found)
    found = model.lookupSymbol<WeightOp>(symbol);
  if (!found) {
    fail("there is no weight @" + symbol);
    return {};
  }
  ArrayRef<int64_t> actual = found.getTensorType().getShape();
  bool fits = actual.size() == shape.size();
  for (size_t i = 0; fits && i != shape.size(); ++i)
    fits = shape[i] == -1 || shape[i] == actual[i];
  if (fits)
    return found;
  std::string expected;
  for (int64_t extent : shape)
    expected += (expected.empty() ? "" : ", ") +
                (extent == -1 ? std::string("any") : std::to_string(extent));
  fail("weight @" + symbol + " must have shape [" + expected + "], found " +
       textOf(found.getType()));
  return {};
}

int64_t GemmaLayerBuilder::getWidth() {
  auto rows = dyn_cast<RankedTensorType>(current.getType());
  if (rows && rows.getRank() == 2 && !rows.isDynamicDim(1))
    return rows.getDimSize(1);
  fail("the current value must be [T, d] with d static, found " +
       textOf(current.getType()));
  return -1;
}

//===----------------------------------------------------------------------===//
// What verbs are made of
//===----------------------------------------------------------------------===//

Value GemmaLayerBuilder::norm(Value x, Value scale) {
  return RmsNormOp::create(b, x.getType(), x, scale,
                           step.getModel().getHyper().getEps());
}

Value GemmaLayerBuilder::project(Value x, WeightOp by) {
  auto rows = cast<RankedTensorType>(x.getType());
  Value matrix = weight(by);
  return LinearOp::create(
      b, rows.clone({rows.getDimSize(0), by.getTensorType().getDimSize(0)}), x,
      matrix);
}

//===----------------------------------------------------------------------===//
// Verbs
//===----------------------------------------------------------------------===//

GemmaLayerBuilder &GemmaLayerBuilder::named(StringRef what) {
  nextName = what.str();
  return *this;
}

GemmaLayerBuilder &GemmaLayerBuilder::residualSave() {
  if (begin("residualSave", "save"))
    residuals.push_back(current);
  return *this;
}

GemmaLayerBuilder &GemmaLayerBuilder::residualAdd() {
  if (!begin("residualAdd", "add"))
    return *this;
  if (residuals.empty()) {
    fail("residualAdd without a saved residual");
    return *this;
  }
  Value saved = residuals.pop_back_val();
  if (saved.getType() != current.getType())
    fail("the saved residual is " + textOf(saved.getType()) +
         ", the value to add to it " + textOf(current.getType()));
  else
    current = arith::AddFOp::create(b, saved, current);
  return *this;
}

GemmaLayerBuilder &GemmaLayerBuilder::rmsNorm(StringRef symbol, double eps) {
  if (!begin("rmsNorm", symbol))
    return *this;
  int64_t width = getWidth();
  if (failed)
    return *this;
  WeightOp scale = findWeight(symbol, {width});
  if (!scale)
    return *this;
  Value factor = weight(scale);
  current = eps > 0 ? Value(RmsNormOp::create(b, current.getType(), current,
                                              factor, llvm::APFloat(eps)))
                    : norm(current, factor);
  return *this;
}

GemmaLayerBuilder &GemmaLayerBuilder::linear(StringRef symbol) {
  if (!begin("linear", symbol))
    return *this;
  int64_t width = getWidth();
  if (failed)
    return *this;
  if (WeightOp matrix = findWeight(symbol, {-1, width}))
    current = project(current, matrix);
  return *this;
}

GemmaLayerBuilder &GemmaLayerBuilder::scale(StringRef symbol) {
  if (!begin("scale", "scale"))
    return *this;
  if (WeightOp factor = findWeight(symbol, {1})) {
    Value by = weight(factor);
    current = ScaleOp::create(b, current.getType(), current, by);
  }
  return *this;
}

GemmaLayerBuilder &GemmaLayerBuilder::stage(
    llvm::function_ref<Value(ImplicitLocOpBuilder &, Value)> emit) {
  if (!begin("stage", "stage"))
    return *this;
  Value result = emit(b, current);
  if (!result)
    fail("a stage gave no value");
  current = result;
  return *this;
}

FailureOr<Value> GemmaLayerBuilder::finish() {
  if (!begin("finish", "finish"))
    return failure();
  finished = true;
  if (!residuals.empty())
    fail(Twine(residuals.size()) + " saved residual" +
         (residuals.size() == 1 ? " was" : "s were") + " never added");
  if (!failed && current.getType() != type)
    fail("the layer makes " + textOf(current.getType()) + " of " +
         textOf(type));
  if (failed)
    return failure();
  Block *block = b.getInsertionBlock();
  Block::iterator first =
      before ? std::next(before->getIterator()) : block->begin();
  for (Operation &op : llvm::make_range(first, b.getInsertionPoint()))
    if (mlir::failed(verify(&op))) {
      failed = true;
      return failure();
    }
  return current;
}

//===----------------------------------------------------------------------===//
// The line of a recipe
//===----------------------------------------------------------------------===//

FailureOr<Value> flow::buildLayer(GemmaStep &step, LayerOp layer,
                                  Value stream) {
  GemmaLayerBuilder line(step, layer.getSymName(), stream);
  bool sandwich = layer.getNorms() == NormPlacement::Sandwich;
  line.residualSave().rmsNorm("attention_norm");
  line.selfAttention({layer.getAttention(), layer.getMask(), layer.getRope(),
                      layer.getCache().value_or(""), layer.getShared()});
  line.named("attention/o").linear("o");
  if (sandwich)
    line.rmsNorm("post_attention_norm");
  line.named("attention_add").residualAdd();

  line.residualSave().rmsNorm("ffn_norm").geGlu();
  if (layer.getFeedForward().getExperts() != 0)
    line.named("ffn/post_dense_norm")
        .rmsNorm("post_dense_norm")
        .moe(layer.getFeedForward().getTopK());
  if (sandwich)
    line.rmsNorm("post_ffn_norm");
  line.named("ffn_add").residualAdd();

  if (layer.getPerLayer())
    line.residualSave().perLayer().named("per_layer_add").residualAdd();
  if (layer.getLayerScalar())
    line.scale("layer_scalar");
  return line.finish();
}
