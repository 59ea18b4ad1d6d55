// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds out which keys the rows of a CTA see.

#include "AttentionRows.h"

using namespace flow::cuda;

AttentionRows::AttentionRows(KernelBuilder &k, const Attention &attention,
                             const StepOperands &step, int64_t count,
                             Val laneRow, int64_t laneCount)
    : attention(attention), step(step), end(step.start + step.tokens) {
  assert(attention.heads % attention.kvHeads == 0 &&
         "query heads share the KV heads evenly");
  Vals positions{position(k.i32(0)), position(k.i32(count - 1)).min(end - 1)};
  for (int64_t i = 0; i != laneCount; ++i)
    positions.push_back(position(laneRow + 8 * i));
  for (Val position : positions)
    reaches.push_back({position, position});
  if (attention.spans != Attention::Spans::None)
    reachIntoSpans(k, positions);
}

void AttentionRows::reachIntoSpans(KernelBuilder &k,
                                   llvm::ArrayRef<Val> positions) {
  // Begin and end of the span of each position; without one, of itself alone.
  Vals bounds;
  for (Val position : positions)
    bounds.append({position, position + 1});
  bounds = k.loop(
      k.i32(0), step.spanCount, 1, bounds, [&](Val i, const Vals &known) {
        Vals span = k.load2(k.getI32Type(), k.at(step.spans, i << 3));
        Vals next;
        for (auto [p, position] : llvm::enumerate(positions)) {
          Val holds = (position >= span[0]) & (position < span[1]);
          for (size_t side : {0, 1})
            next.push_back(k.select(holds, span[side], known[2 * p + side]));
        }
        return next;
      });
  // No further than the keys that are present.
  Val oldest = (end - step.capacity).max(k.i32(0));
  for (auto [p, reach] : llvm::enumerate(reaches)) {
    reach.last = reach.last.max(bounds[2 * p + 1].min(end) - 1);
    if (attention.spans == Attention::Spans::Free && attention.window != 0)
      reach.anchor =
          reach.anchor.min(bounds[2 * p].max(oldest) + (attention.window - 1));
  }
}

KeyTiles AttentionRows::visibleTiles(int64_t keys) const {
  const Reach &first = reaches[0], &last = reaches[1];
  Val begin = first.anchor.like(0);
  if (attention.window != 0)
    begin = (first.anchor - (attention.window - 1)).max(begin) / keys;
  return {begin, last.last / keys + 1};
}

Val AttentionRows::hidesSome(Val firstKey, int64_t keys) const {
  const Reach &first = reaches[0], &last = reaches[1];
  Val hides = firstKey + (keys - 1) > first.last;
  if (attention.window != 0)
    hides = hides | (firstKey <= last.anchor - attention.window);
  return hides;
}
