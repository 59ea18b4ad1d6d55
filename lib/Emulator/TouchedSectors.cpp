// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which sectors of global memory a launch touched.

#include "TouchedSectors.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MemAlloc.h"

#include <cstdlib>

using namespace flow::emulator;

void TouchedSectors::Bits::Free::operator()(
    std::atomic<uint64_t> *words) const {
  std::free(words);
}

TouchedSectors::Bits::Bits(const GlobalMemory::Range &range)
    : first(range.begin / kSectorBytes),
      wordCount((range.end / kSectorBytes - first) / 64 + 1) {
  // Pages of calloc that nobody marks cost nothing.
  for (auto &each : words)
    each.reset(static_cast<std::atomic<uint64_t> *>(
        llvm::safe_calloc(wordCount, sizeof(std::atomic<uint64_t>))));
}

uint64_t TouchedSectors::Bits::count(bool writes) const {
  uint64_t bits = 0;
  for (uint64_t i = 0; i != wordCount; ++i)
    bits += llvm::popcount(words[writes][i].load(std::memory_order_relaxed));
  return bits;
}

TouchedSectors::Bits &TouchedSectors::of(const GlobalMemory::Range &range) {
  std::lock_guard<std::mutex> lock(mutex);
  return pieces.try_emplace(&range, range).first->second;
}

std::vector<Traffic> TouchedSectors::traffic() const {
  std::vector<Traffic> all;
  for (const auto &[range, bits] : pieces)
    all.push_back({range->begin, bits.count(/*writes=*/false),
                   bits.count(/*writes=*/true)});
  llvm::sort(all, [](const Traffic &a, const Traffic &b) {
    return a.begin < b.begin;
  });
  return all;
}
