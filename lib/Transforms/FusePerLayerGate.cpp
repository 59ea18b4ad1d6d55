// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuses the gate of a layer's embeddings with the products around it.

#include "FusionDriver.h"
#include "ProductWeights.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/FusionPatterns.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_FUSEPERLAYERGATE
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-fuse-per-layer-gate";

namespace {
struct FusePerLayerGatePattern : OpRewritePattern<GegluOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(GegluOp geglu,
                                PatternRewriter &rewriter) const override {
    auto refuse = [&](const Twine &reason) {
      return rewriter.notifyMatchFailure(geglu, reason);
    };
    auto gate = geglu.getGate().getDefiningOp<LinearOp>();
    // With two projections it is an MLP.
    if (!gate || geglu.getUp().getDefiningOp<LinearOp>())
      return failure();
    if (!gate->hasOneUse())
      return refuse("others read the gate");
    if (!geglu->hasOneUse())
      return refuse("the activation does not feed one product alone");
    auto output = dyn_cast<LinearOp>(*geglu->getUsers().begin());
    if (!output || output.getInput() != geglu.getResult())
      return refuse("the activation does not feed one product alone");
    if (gate->getBlock() != output->getBlock() ||
        geglu->getBlock() != output->getBlock())
      return refuse("a stage stands in another block");
    for (LinearOp linear : {gate, output})
      if (linear.getType().getElementType() !=
          gate.getInput().getType().getElementType())
        return refuse("a projection changes the element type");
    remark::passed(geglu.getLoc(),
                   remark::RemarkOpts::name("gate-fused").category(kCategory));
    rewriter.setInsertionPoint(output);
    auto fused = PerLayerGateOp::create(
        rewriter,
        FusedLoc::get(getContext(),
                      {gate.getLoc(), geglu.getLoc(), output.getLoc()}),
        output.getType(), gate.getInput(), gate.getWeight(), geglu.getUp(),
        output.getWeight(), Attribute());
    carryArithmetic(gate, fused);
    carryArithmetic(output, fused, kHiddenArithmetic);
    rewriter.replaceOp(output, fused);
    rewriter.eraseOp(geglu);
    rewriter.eraseOp(gate);
    return success();
  }
};

struct FusePerLayerGate : flow::impl::FusePerLayerGateBase<FusePerLayerGate> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateFusePerLayerGatePatterns(patterns);
    if (failed(applyFusion(getOperation(), std::move(patterns),
                           "gate-not-fused", kCategory)))
      return signalPassFailure();
  }
};
} // namespace

void flow::populateFusePerLayerGatePatterns(RewritePatternSet &patterns) {
  patterns.add<FusePerLayerGatePattern>(patterns.getContext());
}
