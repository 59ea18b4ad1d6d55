// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Replaces layer recipes by their stages, for one phase.

#include "flow/Builders/GemmaLayerBuilder.h"
#include "flow/Transforms/Passes.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_EXPANDLAYERS
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

namespace {

/// Builds the function of one step: one row in decode, any number in prefill.
LogicalResult buildStep(ModelOp model, StringRef phase, StepLogits logits) {
  OpBuilder b(model->getContext());
  b.setInsertionPointAfter(model);
  Location loc = NameLoc::get(b.getStringAttr("step"));
  auto tokens = RankedTensorType::get(
      {phase == "decode" ? 1 : ShapedType::kDynamic}, b.getI32Type());
  auto function = func::FuncOp::create(
      b, loc, phase,
      b.getFunctionType({tokens, b.getIndexType(), b.getIndexType()}, {}));
  function->setAttr("flow.phase", b.getStringAttr(phase));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  FailureOr<GemmaStep> step =
      GemmaStep::create(b, model, entry->getArgument(0), entry->getArgument(1),
                        entry->getArgument(2));
  if (failed(step))
    return failure();
  Value stream = step->getEmbedded();
  for (LayerOp layer : model.getBody().front().getOps<LayerOp>()) {
    FailureOr<Value> next = buildLayer(*step, layer, stream);
    if (failed(next))
      return failure();
    stream = *next;
  }
  Value result = step->createHead(stream, logits);
  func::ReturnOp::create(b, result.getLoc(), result);
  function.setFunctionType(
      b.getFunctionType(entry->getArgumentTypes(), result.getType()));
  return success();
}

struct ExpandLayers : flow::impl::ExpandLayersBase<ExpandLayers> {
  using ExpandLayersBase::ExpandLayersBase;

  void runOnOperation() override {
    if (failed(expand()))
      signalPassFailure();
  }

  LogicalResult expand() {
    if (phase != "prefill" && phase != "decode")
      return getOperation().emitError("unknown phase '")
             << phase << "', expected prefill or decode";
    auto kind = llvm::StringSwitch<std::optional<StepLogits>>(logits)
                    .Case("last", StepLogits::Last)
                    .Case("all", StepLogits::All)
                    .Case("none", StepLogits::None)
                    .Default(std::nullopt);
    if (!kind)
      return getOperation().emitError("unknown logits '")
             << logits << "', expected last, all or none";
    SmallVector<ModelOp> models(getOperation().getOps<ModelOp>());
    if (models.size() != 1)
      return getOperation().emitError("expected one flow.model, found ")
             << models.size();
    ModelOp model = models.front();
    SmallVector<LayerOp> layers(model.getBody().front().getOps<LayerOp>());
    if (layers.empty())
      return model.emitOpError("has no layers to expand");
    if (getOperation().lookupSymbol(phase))
      return model.emitOpError("is expanded for this phase already: @")
             << phase;
    return buildStep(model, phase, *kind);
  }
};
} // namespace
