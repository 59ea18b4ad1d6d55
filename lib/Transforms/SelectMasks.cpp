// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gives each attention the tightest loop that its mask allows.

#include "StageNames.h"
#include "flow/Analysis/MaskAnalysis.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_SELECTMASKS
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-select-masks";

static remark::RemarkOpts named(StringRef name) {
  return remark::RemarkOpts::name(name).category(kCategory);
}

namespace {
struct SelectMasks : flow::impl::SelectMasksBase<SelectMasks> {
  using SelectMasksBase::SelectMasksBase;

  void runOnOperation() override {
    if (block <= 0) {
      getOperation()->emitError("block must be positive, got ")
          << int64_t(block);
      return signalPassFailure();
    }
    if (context < 0) {
      getOperation()->emitError("context must not be negative, got ")
          << int64_t(context);
      return signalPassFailure();
    }
    int64_t positions = context;
    if (positions == 0)
      getOperation()->walk([&](ModelOp model) {
        positions = std::max(positions, model.getHyper().getPositions());
      });
    getOperation()->walk(
        [&](AttentionOp attention) { select(attention, positions); });
  }

  /// `positions` is 0 when nothing bounds the sequence.
  void select(AttentionOp attention, int64_t positions) {
    MaskAttr mask = attention.getMask();
    std::string layer = getStageGroup(attention.getLoc()).str();
    if (layer.empty())
      layer = "attention";
    if (positions != 0 && mask.getWindow() != 0 &&
        !canWindowBind(mask, positions)) {
      remark::passed(attention.getLoc(), named("window-dropped"))
          << remark::add(
                 "{0}: a window of {1} cannot hide any of {2} positions", layer,
                 mask.getWindow(), positions);
      mask = dropIdleWindow(mask, positions);
      attention.setMaskAttr(mask);
    } else if (mask.getWindow() == 0) {
      remark::missed(attention.getLoc(), named("not-windowed"))
          << remark::reason("{0}: the recipe gives it no window", layer);
    } else {
      remark::passed(attention.getLoc(), named("windowed"))
          << remark::add("{0}: window {1}, since the recipe lets a query at "
                         "position p see keys from p - {2} to p; earlier "
                         "blocks are skipped",
                         layer, mask.getWindow(), mask.getWindow() - 1);
    }
    attention.setBlocksAttr(
        KeyBlocksAttr::get(&getContext(), getBlockStart(mask), block));
    if (positions == 0)
      return;
    BlockCounts counts = countBlocks(mask, positions - 1, positions, block);
    remark::analysis(attention.getLoc(), named("key-blocks"))
        << remark::metric("skipped", counts.skipped)
        << remark::metric("full", counts.full)
        << remark::metric("partial", counts.partial);
  }
};
} // namespace
