// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks what may be left between two phases.

#include "ProductWeights.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/Passes.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_VERIFYPHASE
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

namespace {

/// The encoding of `type`, if it is a tensor that has one.
Attribute getEncoding(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getEncoding() : Attribute();
}

bool hasLayout(Type type) {
  return isa_and_nonnull<PanelsAttr, WeightBlocksAttr, QuantizedRowsAttr,
                         Bf16RowsAttr>(getEncoding(type));
}

LogicalResult verifyModels(ModuleOp module) {
  int64_t models = llvm::range_size(module.getOps<ModelOp>());
  if (models != 1)
    return module.emitError("a recipe holds one flow.model, found ") << models;
  return success();
}

LogicalResult verifyRecipe(Operation *op) {
  // What computes has operands or results; structure has neither.
  bool computes = isa_and_nonnull<FlowDialect>(op->getDialect()) &&
                  op->getNumOperands() + op->getNumResults() != 0;
  if (computes && !op->getParentOfType<FunctionOpInterface>())
    return op->emitOpError("stands outside functions in a recipe");
  return success();
}

LogicalResult verifyStages(Operation *op) {
  if (op->hasAttr("flow.class"))
    return op->emitOpError("serves a class of layers before layers are "
                           "shared: ")
           << op->getAttr("flow.class");
  SmallVector<Value> values(op->getResults());
  for (Region &region : op->getRegions())
    llvm::append_range(values, region.getArguments());
  for (Value value : values)
    if (hasLayout(value.getType()))
      return op->emitOpError("has a layout before layouts are chosen: ")
             << value.getType();
  return success();
}

LogicalResult verifyFused(Operation *op) {
  if (auto attention = dyn_cast<AttentionOp>(op);
      attention && !attention.getBlocks())
    return op->emitOpError("has no key blocks: flow-select-masks must run");
  for (const Product &product : getProducts(op)) {
    Type type = product.weight->get().getType();
    if (!isa_and_nonnull<PanelsAttr, WeightBlocksAttr>(getEncoding(type)))
      return op->emitOpError("reads a weight without layout: "
                             "flow-choose-layouts must run, got ")
             << type;
  }
  return success();
}

LogicalResult verifyShared(func::FuncOp function) {
  Operation *input = nullptr, *stage = nullptr;
  function.walk([&](Operation *op) {
    Operation *&first =
        isa<WeightRefOp, CacheRefOp, EmbedOp, RopeAnglesOp>(op) ? input : stage;
    if (!first && isa_and_nonnull<FlowDialect>(op->getDialect()))
      first = op;
  });
  if (input && function->hasAttr("flow.class"))
    return input->emitOpError("is left in the function of a class: its "
                              "schedule must hand the value over");
  if (input && stage)
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
      return success(succeeded(verifyModels(getOperation())) &&
                     succeeded(each(verifyRecipe)));
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
