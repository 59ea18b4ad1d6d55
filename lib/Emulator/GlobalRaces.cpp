// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tags of a grid's memory.

#include "GlobalRaces.h"

#include <cstdlib>

using namespace flow::emulator;

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
