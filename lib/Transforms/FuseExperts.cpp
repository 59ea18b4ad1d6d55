// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuses the experts' MLPs into one stage with interleaved weights.

#include "FusionDriver.h"
#include "WeightSymbols.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/FusionPatterns.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_FUSEEXPERTS
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-fuse-experts";

namespace {
struct FuseExpertsPattern : OpRewritePattern<MoeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MoeOp moe,
                                PatternRewriter &rewriter) const override {
    auto refuse = [&](const Twine &reason) {
      return rewriter.notifyMatchFailure(moe, reason);
    };
    WeightRefOp gate = getWeightRef(moe.getGate());
    WeightRefOp up = getWeightRef(moe.getUp());
    if (!gate || !up)
      return refuse("a weight is not one of the model");
    // 16 rows of each in turn: no group may hold rows of two experts.
    int64_t width = moe.getDown().getType().getDimSize(1);
    if (width % kInterleaveRows != 0)
      return refuse("an expert's width of " + Twine(width) +
                    " is no multiple of 16");
    if (moe.getInput().getType().getElementType() !=
        moe.getType().getElementType())
      return refuse("the experts change the element type");
    std::string refusal;
    SymbolRefAttr path = getDerivedWeight({gate, up}, "expert_gate_up",
                                          Combine::Interleave, refusal);
    if (!path)
      return refuse(refusal);
    RankedTensorType type = gate.getType();
    Value weight = WeightRefOp::create(
        rewriter, moe.getLoc(),
        type.clone({2 * type.getDimSize(0), type.getDimSize(1)}), path);
    remark::passed(
        moe.getLoc(),
        remark::RemarkOpts::name("experts-fused").category(kCategory));
    rewriter.replaceOpWithNewOp<GroupedMlpOp>(
        moe, moe.getType(), moe.getInput(), moe.getExperts(), moe.getShares(),
        weight, moe.getDown(), Attribute());
    return success();
  }
};

struct FuseExperts : flow::impl::FuseExpertsBase<FuseExperts> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateFuseExpertsPatterns(patterns);
    if (failed(applyFusion(getOperation(), std::move(patterns),
                           "experts-not-fused", kCategory)))
      return signalPassFailure();
  }
};
} // namespace

void flow::populateFuseExpertsPatterns(RewritePatternSet &patterns) {
  patterns.add<FuseExpertsPattern>(patterns.getContext());
}
