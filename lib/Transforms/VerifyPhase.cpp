// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks what may be left between two phases.

#include "flow/IR/FlowOps.h"
#include "flow/Transforms/Passes.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_VERIFYPHASE
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

namespace {

bool hasLayout(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa_and_nonnull<PanelsAttr>(tensor.getEncoding());
}

/// The weights that `op` multiplies with.
SmallVector<Value> productWeights(Operation *op) {
  if (auto linear = dyn_cast<LinearOp>(op))
    return {linear.getWeight()};
  if (auto head = dyn_cast<LmHeadOp>(op))
    return {head.getTable()};
  if (auto qkv = dyn_cast<QkvRopeAppendOp>(op))
    return {qkv.getWeight()};
  if (auto mlp = dyn_cast<GatedMlpOp>(op))
    return {mlp.getGateUp(), mlp.getDown()};
  return {};
}

LogicalResult verifyRecipe(ModuleOp module) {
  int64_t models = llvm::range_size(module.getOps<ModelOp>());
  if (models != 1)
    return module.emitError("a recipe holds one flow.model, found ") << models;
  return success();
}

LogicalResult verifyStages(Operation *op) {
  for (Type type : op->getResultTypes())
    if (auto tensor = dyn_cast<RankedTensorType>(type);
        tensor && tensor.getEncoding())
      return op->emitOpError("has a layout before layouts are chosen: ")
             << type;
  return success();
}

LogicalResult verifyFused(Operation *op) {
  if (auto attention = dyn_cast<AttentionOp>(op);
      attention && !attention.getBlocks())
    return op->emitOpError("has no key blocks: flow-select-masks must run");
  for (Value weight : productWeights(op))
    if (!hasLayout(weight.getType()))
      return op->emitOpError("reads a weight without layout: "
                             "flow-choose-layouts must run, got ")
             << weight.getType();
  return success();
}

LogicalResult verifyShared(func::FuncOp function) {
  Operation *reference = nullptr, *stage = nullptr;
  function.walk([&](Operation *op) {
    if (isa<WeightRefOp, CacheRefOp, EmbedOp, RopeAnglesOp>(op))
      reference = op;
    else if (isa_and_nonnull<FlowDialect>(op->getDialect()))
      stage = op;
  });
  if (reference && stage)
    return stage->emitOpError("is left in a schedule: flow-share-layers must "
                              "move it into a function");
  return success();
}

struct VerifyPhase : flow::impl::VerifyPhaseBase<VerifyPhase> {
  using VerifyPhaseBase::VerifyPhaseBase;

  void runOnOperation() override {
    if (failed(check()))
      signalPassFailure();
    markAllAnalysesPreserved();
  }

  LogicalResult check() {
    if (phase == "recipe")
      return verifyRecipe(getOperation());
    if (phase == "stages")
      return each(verifyStages);
    if (phase == "fused")
      return each(verifyFused);
    if (phase == "shared") {
      for (auto function : getOperation().getOps<func::FuncOp>())
        if (failed(verifyShared(function)))
          return failure();
      return success();
    }
    return getOperation().emitError("unknown phase '")
           << phase << "', expected recipe, stages, fused or shared";
  }

  LogicalResult each(llvm::function_ref<LogicalResult(Operation *)> verify) {
    return failure(getOperation()
                       .walk([&](Operation *op) {
                         return failed(verify(op)) ? WalkResult::interrupt()
                                                   : WalkResult::advance();
                       })
                       .wasInterrupted());
  }
};
} // namespace
