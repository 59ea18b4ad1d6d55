// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which sectors of global memory a launch touched.

#ifndef FLOW_LIB_EMULATOR_TOUCHEDSECTORS_H
#define FLOW_LIB_EMULATOR_TOUCHEDSECTORS_H

#include "flow/Emulator/Emulator.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace flow::emulator {

/// A bit for each sector and kind of access. All CTAs of a launch mark them at
/// the same time.
class TouchedSectors {
public:
  /// Of one piece of memory.
  class Bits {
  public:
    explicit Bits(const GlobalMemory::Range &range);

    /// `address` is in the range.
    void mark(uint64_t address, bool writes) {
      uint64_t index = address / kSectorBytes - first;
      std::atomic<uint64_t> &word = words[writes][index / 64];
      uint64_t bit = uint64_t(1) << index % 64;
      if (!(word.load(std::memory_order_relaxed) & bit))
        word.fetch_or(bit, std::memory_order_relaxed);
    }
    uint64_t count(bool writes) const;

  private:
    struct Free {
      void operator()(std::atomic<uint64_t> *words) const;
    };

    uint64_t first, wordCount;
    std::unique_ptr<std::atomic<uint64_t>[], Free> words[2];
  };

  /// Those of `range`, made at the first call.
  Bits &of(const GlobalMemory::Range &range);

  /// What was touched in each piece of memory, in the order of addresses.
  std::vector<Traffic> traffic() const;

private:
  std::mutex mutex;
  std::unordered_map<const GlobalMemory::Range *, Bits> pieces;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_TOUCHEDSECTORS_H
