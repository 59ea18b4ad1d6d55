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

bool isBatchPhase(StringRef phase) {
  return phase == "batch" || phase == "batch_decode";
}

/// Builds the function of one step: one row in decode, any number in prefill
/// and verify, rows of several sequences in a batch, one of each where it
/// decodes.
LogicalResult buildStep(ModelOp model, StringRef phase, StepLogits logits,
                        int64_t topK) {
  OpBuilder b(model->getContext());
  b.setInsertionPointAfter(model);
  Location loc = NameLoc::get(b.getStringAttr("step"));
  bool isBatch = isBatchPhase(phase);
  bool hasSpans =
      llvm::any_of(model.getBody().front().getOps<LayerOp>(),
                   [](LayerOp layer) { return layer.getMask().hasSpans(); });
  SmallVector<Type> types{RankedTensorType::get(
      {phase == "decode" ? 1 : ShapedType::kDynamic}, b.getI32Type())};
  if (isBatch)
    types.push_back(getSequencesType(b.getContext()));
  else
    types.append(2, b.getIndexType());
  if (hasSpans)
    types.push_back(
        RankedTensorType::get({ShapedType::kDynamic, 2}, b.getI32Type()));
  auto function =
      func::FuncOp::create(b, loc, phase, b.getFunctionType(types, {}));
  function->setAttr("flow.phase", b.getStringAttr(phase));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  StepInputs inputs;
  inputs.tokens = entry->getArgument(0);
  if (isBatch) {
    inputs.sequences = entry->getArgument(1);
    inputs.singleRows = phase == "batch_decode";
  } else {
    inputs.start = entry->getArgument(1);
    inputs.count = entry->getArgument(2);
  }
  if (hasSpans)
    inputs.spans = entry->getArguments().back();
  FailureOr<GemmaStep> step = GemmaStep::create(b, model, inputs);
  if (failed(step))
    return failure();
  Value stream = step->getEmbedded();
  for (LayerOp layer : model.getBody().front().getOps<LayerOp>()) {
    FailureOr<Value> next = buildLayer(*step, layer, stream);
    if (failed(next))
      return failure();
    stream = *next;
  }
  Value rows = step->createHead(stream, logits);
  Operation *last = rows.getDefiningOp();
  if (topK != 0)
    last = step->createCandidates(rows, topK);
  func::ReturnOp::create(b, last->getLoc(), last->getResults());
  function.setFunctionType(
      b.getFunctionType(entry->getArgumentTypes(), last->getResultTypes()));
  return success();
}

struct ExpandLayers : flow::impl::ExpandLayersBase<ExpandLayers> {
  using ExpandLayersBase::ExpandLayersBase;

  void runOnOperation() override {
    if (failed(expand()))
      signalPassFailure();
  }

  /// Null for a name that is none.
  Type elementOfCaches() {
    Builder b(&getContext());
    return llvm::StringSwitch<Type>(cacheType)
        .Case("f32", b.getF32Type())
        .Case("bf16", b.getBF16Type())
        .Case("f16", b.getF16Type())
        .Default(Type());
  }

  LogicalResult expand() {
    if (phase != "prefill" && phase != "decode" && phase != "verify" &&
        !isBatchPhase(phase))
      return getOperation().emitError("unknown phase '")
             << phase
             << "', expected prefill, decode, verify, batch or batch_decode";
    auto kind = llvm::StringSwitch<std::optional<StepLogits>>(logits)
                    .Case("last", StepLogits::Last)
                    .Case("all", StepLogits::All)
                    .Case("none", StepLogits::None)
                    .Default(std::nullopt);
    if (!kind)
      return getOperation().emitError("unknown logits '")
             << logits << "', expected last, all or none";
    if (isBatchPhase(phase) && *kind == StepLogits::Last)
      return getOperation().emitError(
          "a batch has a last row for each sequence: its logits are those of "
          "all rows or none, not 'last'");
    if (topK != 0 && *kind != StepLogits::Last)
      return getOperation().emitError("candidates are those of the last row: "
                                      "top-k needs logits=last, got ")
             << logits;
    SmallVector<ModelOp> models(getOperation().getOps<ModelOp>());
    if (models.size() != 1)
      return getOperation().emitError("expected one flow.model, found ")
             << models.size();
    ModelOp model = models.front();
    int64_t vocab = model.getHyper().getVocab();
    if (topK < 0 || topK > vocab)
      return model.emitOpError("has ")
             << vocab << " tokens, of which top-k chooses 0 (all) to as many, "
             << "got " << int64_t(topK);
    SmallVector<LayerOp> layers(model.getBody().front().getOps<LayerOp>());
    if (layers.empty())
      return model.emitOpError("has no layers to expand");
    for (LayerOp layer : layers) {
      if (isBatchPhase(phase) && !layer.getCache())
        return layer.emitOpError("has no cache, by whose slots a batch keeps "
                                 "its sequences apart");
      if (isBatchPhase(phase) && layer.getMask().hasSpans())
        return layer.emitOpError("has a mask with spans, which a batch of "
                                 "sequences cannot have");
    }
    if (getOperation().lookupSymbol(phase))
      return model.emitOpError("is expanded for this phase already: @")
             << phase;
    if (!cacheType.empty()) {
      Type element = elementOfCaches();
      if (!element)
        return getOperation().emitError("unknown cache-type '")
               << cacheType << "', expected f32, bf16 or f16";
      for (KvCacheOp cache : model.getBody().front().getOps<KvCacheOp>())
        if (!cache.getElement())
          cache.setElement(element);
    }
    return buildStep(model, phase, *kind, topK);
  }
};
} // namespace
