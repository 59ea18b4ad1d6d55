// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuses the head with the choice of the largest logits.

#include "FusionDriver.h"
#include "ProductWeights.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/FusionPatterns.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_FUSEHEADTOPK
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-fuse-head-top-k";

namespace {
struct FuseHeadTopKPattern : OpRewritePattern<TopKOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(TopKOp choice,
                                PatternRewriter &rewriter) const override {
    auto refuse = [&](const Twine &reason) {
      return rewriter.notifyMatchFailure(choice, reason);
    };
    auto head = choice.getInput().getDefiningOp<LmHeadOp>();
    if (!head)
      return refuse("the values are not the logits of a head");
    if (!head->hasOneUse())
      return refuse("others read the logits");
    if (head->getBlock() != choice->getBlock())
      return refuse("the head stands in another block");
    remark::passed(
        choice.getLoc(),
        remark::RemarkOpts::name("head-top-k-fused").category(kCategory));
    auto fused = LmHeadTopKOp::create(
        rewriter, FusedLoc::get(getContext(), {choice.getLoc(), head.getLoc()}),
        choice.getValues().getType(), choice.getIndices().getType(),
        head.getInput(), head.getTable(), head.getSoftcapAttr());
    carryArithmetic(head, fused);
    rewriter.replaceOp(choice, fused);
    rewriter.eraseOp(head);
    return success();
  }
};

struct FuseHeadTopK : flow::impl::FuseHeadTopKBase<FuseHeadTopK> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateFuseHeadTopKPatterns(patterns);
    if (failed(applyFusion(getOperation(), std::move(patterns),
                           "head-top-k-not-fused", kCategory)))
      return signalPassFailure();
  }
};
} // namespace

void flow::populateFuseHeadTopKPatterns(RewritePatternSet &patterns) {
  patterns.add<FuseHeadTopKPattern>(patterns.getContext());
}
