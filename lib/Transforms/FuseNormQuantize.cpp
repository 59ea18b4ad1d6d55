// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuses a norm with the quantisation of its rows.

#include "FusionDriver.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/FusionPatterns.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_FUSENORMQUANTIZE
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-fuse-norm-quantize";

namespace {

/// True if `rows` are what a norm makes, and not its sum.
bool isNormed(Value rows) {
  if (auto fused = rows.getDefiningOp<AddRmsNormOp>())
    return rows == fused.getNormed();
  return static_cast<bool>(rows.getDefiningOp<RmsNormOp>());
}

/// Where the norm of `op` itself stands: the last of what it was fused from.
Location normLocation(Operation *op) {
  auto fused = dyn_cast<FusedLoc>(op->getLoc());
  return fused ? fused.getLocations().back() : op->getLoc();
}

struct FuseNormQuantizePattern : OpRewritePattern<QuantizeRowsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(QuantizeRowsOp quantize,
                                PatternRewriter &rewriter) const override {
    auto refuse = [&](const Twine &reason) {
      return rewriter.notifyMatchFailure(quantize, reason);
    };
    Value rows = quantize.getInput();
    if (!isNormed(rows))
      return failure(); // not a candidate: no reason to give
    if (!rows.hasOneUse())
      return refuse("others read the norm");
    Operation *norm = rows.getDefiningOp();
    if (norm->getBlock() != quantize->getBlock())
      return refuse("the norm stands in another block");
    remark::passed(
        normLocation(norm),
        remark::RemarkOpts::name("norm-quantize-fused").category(kCategory));
    // The norm keeps its place and so its layer, and takes the type over.
    rewriter.modifyOpInPlace(norm, [&] {
      rows.setType(quantize.getType());
      norm->setLoc(
          FusedLoc::get(getContext(), {norm->getLoc(), quantize.getLoc()}));
    });
    rewriter.replaceOp(quantize, rows);
    return success();
  }
};

struct FuseNormQuantize : flow::impl::FuseNormQuantizeBase<FuseNormQuantize> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateFuseNormQuantizePatterns(patterns);
    if (failed(applyFusion(getOperation(), std::move(patterns),
                           "norm-quantize-not-fused", kCategory)))
      return signalPassFailure();
  }
};
} // namespace

void flow::populateFuseNormQuantizePatterns(RewritePatternSet &patterns) {
  patterns.add<FuseNormQuantizePattern>(patterns.getContext());
}
