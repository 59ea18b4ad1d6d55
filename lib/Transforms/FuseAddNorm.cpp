// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuses a residual add with the norm of its branch and the norm of its sum.
// The fused op stands where the norm stood, so everything that reads the sum
// must come after it.

#include "FusionDriver.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/FusionPatterns.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_FUSEADDNORM
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-fuse-add-norm";

namespace {

/// The norm of the branch of `add` that can be taken in, or null.
RmsNormOp branchNorm(Value branch, RmsNormOp norm) {
  auto own = branch.getDefiningOp<RmsNormOp>();
  if (own && own.getWeight() && own->hasOneUse() &&
      own->getBlock() == norm->getBlock() &&
      own.getEps().bitwiseIsEqual(norm.getEps()) &&
      own.getWeight().getType() == norm.getWeight().getType())
    return own;
  return {};
}

struct FuseAddNormPattern : OpRewritePattern<RmsNormOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(RmsNormOp norm,
                                PatternRewriter &rewriter) const override {
    auto scale = norm.getInput().getDefiningOp<ScaleOp>();
    Value unscaled = scale ? scale.getInput() : norm.getInput();
    auto add = unscaled.getDefiningOp<arith::AddFOp>();
    if (!add)
      return failure(); // not a candidate: no reason to give
    if (!norm.getWeight())
      return rewriter.notifyMatchFailure(norm, "the norm has no weight");
    if (scale && !add->hasOneUse())
      return rewriter.notifyMatchFailure(norm,
                                         "the sum is read before it is scaled");
    if (scale &&
        scale.getFactor().getType().getElementType() !=
            cast<RankedTensorType>(norm.getWeight().getType()).getElementType())
      return rewriter.notifyMatchFailure(
          norm, "the factor has another type than the weight");
    Operation *sum = scale ? scale.getOperation() : add.getOperation();
    if (add->getBlock() != norm->getBlock() ||
        sum->getBlock() != norm->getBlock())
      return rewriter.notifyMatchFailure(norm, "the sum is from another block");
    if (norm.getWeight() == norm.getInput())
      return rewriter.notifyMatchFailure(norm, "the sum is also the weight");
    for (Operation *user : sum->getUsers()) {
      Operation *there = norm->getBlock()->findAncestorOpInBlock(*user);
      if (!there)
        return rewriter.notifyMatchFailure(norm,
                                           "the sum is used in another block");
      if (user != norm && !norm->isBeforeInBlock(there))
        return rewriter.notifyMatchFailure(norm, "the sum is used before it");
    }

    Value stream = add.getLhs(), branch = add.getRhs(), branchWeight;
    RmsNormOp inner = branchNorm(branch, norm);
    if (!inner && (inner = branchNorm(stream, norm)))
      std::swap(stream, branch);
    SmallVector<Location> locations{add.getLoc()};
    if (inner) {
      branch = inner.getInput();
      branchWeight = inner.getWeight();
      locations.push_back(inner.getLoc());
    }
    if (scale)
      locations.push_back(scale.getLoc());
    locations.push_back(norm.getLoc());
    Type type = norm.getType();
    auto fused = AddRmsNormOp::create(
        rewriter, FusedLoc::get(getContext(), locations), type, type, stream,
        branch, branchWeight, scale ? scale.getFactor() : Value(),
        norm.getWeight(), norm.getEps());
    remark::passed(
        norm.getLoc(),
        remark::RemarkOpts::name("add-norm-fused").category(kCategory));
    rewriter.replaceOp(norm, fused.getNormed());
    rewriter.replaceOp(sum, fused.getSum());
    if (scale)
      rewriter.eraseOp(add);
    if (inner)
      rewriter.eraseOp(inner);
    return success();
  }
};

struct FuseAddNorm : flow::impl::FuseAddNormBase<FuseAddNorm> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateFuseAddNormPatterns(patterns);
    if (failed(applyFusion(getOperation(), std::move(patterns),
                           "add-norm-not-fused", kCategory)))
      return signalPassFailure();
  }
};
} // namespace

void flow::populateFuseAddNormPatterns(RewritePatternSet &patterns) {
  patterns.add<FuseAddNormPattern>(patterns.getContext());
}
