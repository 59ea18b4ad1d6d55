// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuses the product of a router with the choice of experts.

#include "FusionDriver.h"
#include "ProductWeights.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/FusionPatterns.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_FUSEROUTER
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-fuse-router";

namespace {
struct FuseRouterPattern : OpRewritePattern<RouteExpertsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(RouteExpertsOp route,
                                PatternRewriter &rewriter) const override {
    auto refuse = [&](const Twine &reason) {
      return rewriter.notifyMatchFailure(route, reason);
    };
    auto linear = route.getLogits().getDefiningOp<LinearOp>();
    if (!linear)
      return refuse("the logits are not a projection");
    if (!linear->hasOneUse())
      return refuse("others read the logits");
    if (linear->getBlock() != route->getBlock())
      return refuse("the projection stands in another block");
    if (linear.getInput().getType().getElementType() !=
        linear.getType().getElementType())
      return refuse("the projection changes the element type");
    remark::passed(
        route.getLoc(),
        remark::RemarkOpts::name("router-fused").category(kCategory));
    auto fused = RouterOp::create(
        rewriter,
        FusedLoc::get(getContext(), {route.getLoc(), linear.getLoc()}),
        route.getExperts().getType(), route.getShares().getType(),
        linear.getInput(), linear.getWeight(), route.getExpertScale(),
        route.getFactor());
    carryArithmetic(linear, fused);
    rewriter.replaceOp(route, fused);
    rewriter.eraseOp(linear);
    return success();
  }
};

struct FuseRouter : flow::impl::FuseRouterBase<FuseRouter> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateFuseRouterPatterns(patterns);
    if (failed(applyFusion(getOperation(), std::move(patterns),
                           "router-not-fused", kCategory)))
      return signalPassFailure();
  }
};
} // namespace

void flow::populateFuseRouterPatterns(RewritePatternSet &patterns) {
  patterns.add<FuseRouterPattern>(patterns.getContext());
}
