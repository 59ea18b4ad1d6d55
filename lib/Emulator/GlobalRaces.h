// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which CTA wrote which byte of global memory in a launch.

#ifndef FLOW_LIB_EMULATOR_GLOBALRACES_H
#define FLOW_LIB_EMULATOR_GLOBALRACES_H

#include "flow/Emulator/Emulator.h"

#include <atomic>
#include <mutex>
#include <unordered_map>

namespace flow::emulator {

/// Finds bytes that two CTAs write, or that one reads after another wrote
/// them: CTAs run in any order, so the outcome would be a matter of chance.
/// Atomics are not watched, and whoever has executed one may have been told to
/// read. A read that comes before the other CTA's write in this run is missed.
class GlobalRaces {
public:
  ~GlobalRaces();

  /// The writer of each byte of `range`, counted from 1; made at the first
  /// call. Null if there is no memory for it, and then nothing is watched.
  std::atomic<uint32_t> *writers(const GlobalMemory::Range &range);
  /// The same, or null if nothing was written.
  std::atomic<uint32_t> *writersOrNull(const GlobalMemory::Range &range);

private:
  std::mutex mutex;
  std::unordered_map<const GlobalMemory::Range *, std::atomic<uint32_t> *>
      shadows;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_GLOBALRACES_H
