// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuses the gated MLP into one stage with interleaved weights.

#include "FusionDriver.h"
#include "ProductWeights.h"
#include "WeightSymbols.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/FusionPatterns.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_FUSEGATEDMLP
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-fuse-gated-mlp";

namespace {
struct FuseGatedMlpPattern : OpRewritePattern<GegluOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(GegluOp geglu,
                                PatternRewriter &rewriter) const override {
    auto refuse = [&](const Twine &reason) {
      return rewriter.notifyMatchFailure(geglu, reason);
    };
    auto gate = geglu.getGate().getDefiningOp<LinearOp>();
    auto up = geglu.getUp().getDefiningOp<LinearOp>();
    if (!gate || !up || gate == up)
      return refuse("gate and up are not two projections");
    if (gate.getInput() != up.getInput())
      return refuse("gate and up have different inputs");
    if (!gate->hasOneUse() || !up->hasOneUse())
      return refuse("others read the gate or the up projection");
    if (!geglu->hasOneUse())
      return refuse("the activation does not feed one product alone");
    auto down = dyn_cast<LinearOp>(*geglu->getUsers().begin());
    if (!down || down.getInput() != geglu.getResult())
      return refuse("the activation does not feed one product alone");
    if (gate->getBlock() != down->getBlock() ||
        up->getBlock() != down->getBlock() ||
        geglu->getBlock() != down->getBlock())
      return refuse("a stage stands in another block");
    WeightRefOp gateRef = getWeightRef(gate.getWeight());
    WeightRefOp upRef = getWeightRef(up.getWeight());
    if (!gateRef || !upRef)
      return refuse("a weight is not one of the model");
    if (gateRef.getType().getEncoding() || upRef.getType().getEncoding())
      return refuse("a weight has its layout already");
    for (LinearOp linear : {gate, up, down})
      if (linear.getType().getElementType() !=
          gate.getInput().getType().getElementType())
        return refuse("a projection changes the element type");
    RankedTensorType type = gateRef.getType();
    if (type != upRef.getType() || type.getDimSize(0) % kInterleaveRows != 0)
      return refuse("gate and up are not matrices of one type with a multiple "
                    "of 16 rows");
    if (!agreeInArithmetic({gate, up}))
      return refuse("gate and up are marked with different arithmetic");
    std::string refusal;
    SymbolRefAttr path = getDerivedWeight({gateRef, upRef}, "gate_up",
                                          Combine::Interleave, refusal);
    if (!path)
      return refuse(refusal);

    Location loc = FusedLoc::get(getContext(), {gate.getLoc(), up.getLoc(),
                                                geglu.getLoc(), down.getLoc()});
    rewriter.setInsertionPoint(down);
    Value weight = WeightRefOp::create(
        rewriter, loc, type.clone({2 * type.getDimSize(0), type.getDimSize(1)}),
        path);
    remark::passed(geglu.getLoc(),
                   remark::RemarkOpts::name("mlp-fused").category(kCategory));
    auto fused =
        GatedMlpOp::create(rewriter, loc, down.getType(), gate.getInput(),
                           weight, down.getWeight(), Attribute());
    carryArithmetic(gate, fused);
    carryArithmetic(down, fused, kHiddenArithmetic);
    rewriter.replaceOp(down, fused);
    rewriter.eraseOp(geglu);
    rewriter.eraseOp(gate);
    rewriter.eraseOp(up);
    return success();
  }
};

struct FuseGatedMlp : flow::impl::FuseGatedMlpBase<FuseGatedMlp> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateFuseGatedMlpPatterns(patterns);
    if (failed(applyFusion(getOperation(), std::move(patterns), "mlp-not-fused",
                           kCategory)))
      return signalPassFailure();
  }
};
} // namespace

void flow::populateFuseGatedMlpPatterns(RewritePatternSet &patterns) {
  patterns.add<FuseGatedMlpPattern>(patterns.getContext());
}
