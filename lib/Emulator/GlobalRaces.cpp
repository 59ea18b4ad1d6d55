// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Clocks of a grid, and the tags of its memory.

#include "GlobalRaces.h"

#include <algorithm>
#include <cstdlib>

using namespace flow::emulator;

void GridClocks::join(const GridClocks &other) {
  for (const auto &[cta, times] : other.ctas)
    join(cta, times);
}

void GridClocks::join(uint32_t cta, const Times &times) {
  Times &known = ctas[cta];
  for (unsigned w = 0; w < kMaxWarps; ++w)
    known[w] = std::max(known[w], times[w]);
}

bool GridClocks::covers(const GridTime &moment) const {
  auto at = ctas.find(moment.cta);
  return at != ctas.end() && at->second[moment.warp] >= moment.time;
}

GlobalRaces::~GlobalRaces() {
  for (auto &[range, shadow] : shadows)
    std::free(shadow);
}

std::atomic<uint64_t> *GlobalRaces::writers(const GlobalMemory::Range &range) {
  std::lock_guard<std::mutex> lock(mutex);
  auto [at, isNew] = shadows.try_emplace(&range, nullptr);
  // Pages of calloc that nothing is written to cost nothing.
  if (isNew)
    at->second = static_cast<std::atomic<uint64_t> *>(
        std::calloc(range.end - range.begin, sizeof(std::atomic<uint64_t>)));
  return at->second;
}

std::atomic<uint64_t> *
GlobalRaces::writersOrNull(const GlobalMemory::Range &range) {
  std::lock_guard<std::mutex> lock(mutex);
  auto at = shadows.find(&range);
  return at == shadows.end() ? nullptr : at->second;
}
