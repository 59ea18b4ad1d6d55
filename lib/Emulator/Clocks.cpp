// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is told of warps, joined.

#include "Clocks.h"

#include <algorithm>

using namespace flow::emulator;

void GridClocks::join(const GridClocks &other) {
  for (const auto &[cta, times] : other.ctas)
    join(cta, times);
}

void GridClocks::join(uint32_t cta, const WarpTimes &times) {
  WarpTimes &known = ctas[cta];
  for (size_t w = 0; w < times.size(); ++w)
    known[w] = std::max(known[w], times[w]);
}

bool GridClocks::covers(const GridTime &moment) const {
  auto at = ctas.find(moment.cta);
  return at != ctas.end() && at->second[moment.warp] >= moment.time;
}

void Knowledge::join(const Knowledge &other) {
  for (size_t i = 0; i < times.size(); ++i) {
    times[i] = std::max(times[i], other.times[i]);
    fenced[i] = std::max(fenced[i], other.fenced[i]);
  }
  grid.join(other.grid);
}
