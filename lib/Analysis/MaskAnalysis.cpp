// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bounds and block counts of masks, in closed form.

#include "flow/Analysis/MaskAnalysis.h"

#include <algorithm>

using namespace flow;

bool flow::canWindowBind(MaskAttr mask, int64_t context) {
  return mask.getWindow() != 0 && mask.getWindow() < context;
}

MaskAttr flow::simplifyMask(MaskAttr mask, const StepBounds &bounds) {
  int64_t window = mask.getWindow();
  SpanRule spans = mask.getSpans();
  if (bounds.context != 0 && window != 0 &&
      !canWindowBind(mask, bounds.context)) {
    window = 0;
    // What a window does not limit is free.
    if (spans == SpanRule::Windowed)
      spans = SpanRule::Free;
  }
  // A context of one position holds one row, which ends it.
  bool endsAtRow = bounds.endsAtRow || bounds.context == 1;
  // Where nothing is behind the row, a span shows no more than the past, and of
  // that only what a window hides.
  if (endsAtRow && (window == 0 || spans == SpanRule::Windowed))
    spans = SpanRule::None;
  return MaskAttr::get(mask.getContext(), mask.getPattern(), window, spans);
}

KeyBlocksAttr flow::chooseKeyBlocks(MaskAttr mask, int64_t size) {
  BlockStart first = BlockStart::Zero;
  if (mask.getWindow() != 0)
    first = mask.getSpans() == SpanRule::Free ? BlockStart::Span
                                              : BlockStart::Window;
  BlockEnd last = BlockEnd::Row;
  if (mask.getPattern() == MaskPattern::Full)
    last = BlockEnd::Total;
  else if (mask.hasSpans())
    last = BlockEnd::Span;
  return KeyBlocksAttr::get(mask.getContext(), first, last, size);
}

/// The span that holds `position`; if there is none, the position alone, which
/// every mask that has spans shows anyway.
static PositionSpan spanOf(int64_t position,
                           llvm::ArrayRef<PositionSpan> spans) {
  for (const PositionSpan &span : spans)
    if (span.contains(position))
      return span;
  return {position, position + 1};
}

static int64_t windowBegin(MaskAttr mask, int64_t position) {
  return std::max<int64_t>(0, position - mask.getWindow() + 1);
}

IndexRange flow::getVisibleKeys(MaskAttr mask, int64_t position, int64_t total,
                                llvm::ArrayRef<PositionSpan> spans) {
  if (mask.getPattern() == MaskPattern::Full)
    return {0, total};
  PositionSpan span{position, position + 1};
  if (mask.hasSpans())
    span = spanOf(position, spans);
  int64_t begin = mask.getWindow() == 0 ? 0 : windowBegin(mask, position);
  if (mask.getSpans() == SpanRule::Free)
    begin = std::min(begin, span.begin);
  return {begin, std::min(total, span.end)};
}

IndexRange flow::getVisitedBlocks(KeyBlocksAttr blocks, MaskAttr mask,
                                  const QueryTile &tile) {
  int64_t begin = 0;
  if (blocks.getFirst() != BlockStart::Zero)
    begin = windowBegin(mask, tile.first);
  if (blocks.getFirst() == BlockStart::Span)
    begin = std::min(begin, spanOf(tile.first, tile.spans).begin);
  int64_t last = tile.last;
  if (blocks.getLast() == BlockEnd::Span)
    last =
        std::max(last, std::min(tile.total, spanOf(last, tile.spans).end) - 1);
  else if (blocks.getLast() == BlockEnd::Total)
    last = tile.total - 1;
  int64_t end = last < 0 ? 0 : last / blocks.getSize() + 1;
  return {begin / blocks.getSize(), end};
}

namespace {
/// The keys that some row of a tile sees, and those that every row sees.
struct TileKeys {
  TileKeys(MaskAttr mask, const QueryTile &tile) {
    auto [firstBegin, firstEnd] =
        getVisibleKeys(mask, tile.first, tile.total, tile.spans);
    auto [lastBegin, lastEnd] =
        getVisibleKeys(mask, tile.last, tile.total, tile.spans);
    some = {firstBegin, lastEnd};
    all = {lastBegin, firstEnd};
  }
  IndexRange some, all;
};
} // namespace

BlockView flow::classifyBlock(MaskAttr mask, const QueryTile &tile,
                              int64_t block, int64_t size) {
  TileKeys keys(mask, tile);
  int64_t begin = block * size;
  int64_t end = tile.total - begin < size ? tile.total : begin + size;
  if (end <= keys.some.begin || keys.some.end <= begin)
    return BlockView::Skipped;
  if (keys.all.begin <= begin && end <= keys.all.end)
    return BlockView::Full;
  return BlockView::Partial;
}

BlockCounts flow::countBlocks(MaskAttr mask, const QueryTile &tile,
                              int64_t size) {
  TileKeys keys(mask, tile);
  int64_t blocks = tile.total / size + (tile.total % size != 0);
  BlockCounts counts;
  if (keys.some.begin >= keys.some.end) {
    counts.skipped = blocks;
    return counts;
  }
  int64_t seen = (keys.some.end - 1) / size - keys.some.begin / size + 1;
  counts.skipped = blocks - seen;
  // The last block may be short: it is full if it is seen to its end.
  int64_t firstFull = keys.all.begin / size + (keys.all.begin % size != 0);
  int64_t endFull = keys.all.end == tile.total ? blocks : keys.all.end / size;
  counts.full = std::max<int64_t>(0, endFull - firstFull);
  counts.partial = seen - counts.full;
  return counts;
}
