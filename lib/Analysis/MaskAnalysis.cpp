// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bounds and block counts of masks, in closed form.

#include "flow/Analysis/MaskAnalysis.h"

#include <algorithm>

using namespace flow;

bool flow::canWindowBind(MaskAttr mask, int64_t context) {
  return mask.getWindow() != 0 && mask.getWindow() < context;
}

MaskAttr flow::dropIdleWindow(MaskAttr mask, int64_t context) {
  if (mask.getWindow() == 0 || canWindowBind(mask, context))
    return mask;
  return MaskAttr::get(mask.getContext(), mask.getPattern(), 0);
}

BlockStart flow::getBlockStart(MaskAttr mask) {
  return mask.getWindow() == 0 ? BlockStart::Zero : BlockStart::Window;
}

BlockCounts flow::countBlocks(MaskAttr mask, int64_t query, int64_t total,
                              int64_t size) {
  // Visible keys are one interval [low, high).
  int64_t low = mask.getWindow() == 0
                    ? 0
                    : std::max<int64_t>(0, query - mask.getWindow() + 1);
  bool seesAll = mask.getPattern() == MaskPattern::Full || query >= total;
  int64_t high = seesAll ? total : query + 1;
  low = std::min(low, high);
  int64_t blocks = total / size + (total % size != 0);
  BlockCounts counts;
  if (low == high) {
    counts.skipped = blocks;
    return counts;
  }
  int64_t first = low / size, last = (high - 1) / size;
  counts.skipped = blocks - (last - first + 1);
  // Only the two ends of the interval can cut a block.
  bool cutsFirst = low % size != 0;
  bool cutsLast = high % size != 0 && high != total;
  counts.partial = first == last ? (cutsFirst || cutsLast)
                                 : int64_t(cutsFirst) + int64_t(cutsLast);
  counts.full = last - first + 1 - counts.partial;
  return counts;
}
