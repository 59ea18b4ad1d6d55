// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gives each attention the tightest loop that its mask allows.

#include "StageNames.h"
#include "flow/Analysis/MaskAnalysis.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
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

/// True if `append` writes `count` of `rows`, which are one, from `start` on.
template <typename Append>
static bool appendsOneRow(Append append, Value rows, Value start, Value count) {
  return append.getStart() == start && append.getCount() == count &&
         cast<RankedTensorType>(rows.getType()).getDimSize(0) == 1;
}

/// True if `attention` has one row and no key behind it: its keys are those of
/// a cache to which the step appended at most this one row.
static bool endsAtRow(AttentionOp attention) {
  if (attention.getQuery().getType().getDimSize(0) != 1)
    return false;
  auto total = attention.getTotal().getDefiningOp<arith::AddIOp>();
  if (!total)
    return false;
  Value start = attention.getStart(), count;
  if (total.getLhs() == start)
    count = total.getRhs();
  else if (total.getRhs() == start)
    count = total.getLhs();
  else
    return false;
  llvm::APInt constant;
  if (matchPattern(count, m_ConstantInt(&constant)))
    return constant.sle(1);
  Operation *append = attention.getKey().getDefiningOp();
  if (auto op = dyn_cast_or_null<KvAppendOp>(append))
    return appendsOneRow(op, op.getKey(), start, count);
  if (auto op = dyn_cast_or_null<QkvRopeAppendOp>(append))
    return appendsOneRow(op, op.getQuery(), start, count);
  return false;
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
    std::string layer = getStageGroup(attention.getLoc()).str();
    if (layer.empty())
      layer = "attention";
    StepBounds bounds{positions, endsAtRow(attention)};
    MaskAttr written = attention.getMask();
    MaskAttr mask = simplifyMask(written, bounds);
    attention.setMaskAttr(mask);
    if (!mask.hasSpans())
      attention.getSpansMutable().clear();
    KeyBlocksAttr blocks = chooseKeyBlocks(mask, block);
    attention.setBlocksAttr(blocks);
    remarkWindow(attention, layer, written, positions);
    remarkSpans(attention, layer, written);
    if (positions == 0)
      return;
    // As a row outside any span sees them.
    BlockCounts counts =
        countBlocks(mask, {positions - 1, positions - 1, positions}, block);
    remark::analysis(attention.getLoc(), named("key-blocks"))
        << remark::metric("skipped", counts.skipped)
        << remark::metric("full", counts.full)
        << remark::metric("partial", counts.partial);
  }

  void remarkWindow(AttentionOp attention, StringRef layer, MaskAttr written,
                    int64_t positions) {
    int64_t window = attention.getMask().getWindow();
    if (written.getWindow() == 0)
      remark::missed(attention.getLoc(), named("not-windowed"))
          << remark::reason("{0}: the recipe gives it no window", layer);
    else if (window == 0)
      remark::passed(attention.getLoc(), named("window-dropped"))
          << remark::add(
                 "{0}: a window of {1} cannot hide any of {2} positions", layer,
                 written.getWindow(), positions);
    else
      remark::passed(attention.getLoc(), named("windowed"))
          << remark::add("{0}: window {1}, since the recipe lets a query at "
                         "position p see keys from p - {2} to p{3}; earlier "
                         "blocks are skipped",
                         layer, window, window - 1,
                         attention.getMask().getSpans() == SpanRule::Free
                             ? " and those of its span"
                             : "");
  }

  void remarkSpans(AttentionOp attention, StringRef layer, MaskAttr written) {
    MaskAttr mask = attention.getMask();
    if (!written.hasSpans())
      return;
    if (!mask.hasSpans())
      remark::passed(attention.getLoc(), named("spans-dropped")) << remark::add(
          "{0}: spans dropped, since the only row of a step has "
          "no key behind it and {1}",
          layer,
          mask.getWindow() == 0 ? "no window hides a key before it"
                                : "they reach no further back than the window");
    else if (endsAtRow(attention))
      remark::missed(attention.getLoc(), named("spans-kept"))
          << remark::reason("{0}: spans stay, since one may reach back before "
                            "the window of {1}",
                            layer, mask.getWindow());
    else
      remark::missed(attention.getLoc(), named("spans-kept"))
          << remark::reason("{0}: spans stay, since a row may see keys behind "
                            "it; the last block is that of its span's end",
                            layer);
  }
};
} // namespace
