// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Who wrote which byte of global memory in a launch, and who was told of it.

#ifndef FLOW_LIB_EMULATOR_GLOBALRACES_H
#define FLOW_LIB_EMULATOR_GLOBALRACES_H

#include "Clocks.h"
#include "flow/Emulator/Emulator.h"

#include <atomic>
#include <mutex>
#include <unordered_map>

namespace flow::emulator {

/// Finds bytes that a warp reads or writes after another one wrote them, where
/// nothing says that it is after: warps of other CTAs, and of the same one,
/// run in any order. What orders CTAs is told through memory: a fence, an
/// atomic or a strong write; an atomic or a strong read of the same place, a
/// fence. A read that comes before the other's write in this run is missed.
class GlobalRaces {
public:
  ~GlobalRaces();

  /// The tag of each byte of `range`; made at the first call. Null if there is
  /// no memory for it, and then nothing is watched.
  std::atomic<uint64_t> *writers(const GlobalMemory::Range &range);
  /// The same, or null if nothing was written.
  std::atomic<uint64_t> *writersOrNull(const GlobalMemory::Range &range);

  /// Held while an access tells or hears something, together with the access.
  std::unique_lock<std::mutex> lockPlaces() {
    return std::unique_lock<std::mutex>(placesMutex);
  }
  /// What can be heard at an address.
  GridClocks &place(uint64_t address) { return places[address]; }

private:
  std::mutex mutex, placesMutex;
  std::unordered_map<const GlobalMemory::Range *, std::atomic<uint64_t> *>
      shadows;
  std::unordered_map<uint64_t, GridClocks> places;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_GLOBALRACES_H
