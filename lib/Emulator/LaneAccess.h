// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The places that the lanes of a warp touch: found, checked, counted.

#ifndef FLOW_LIB_EMULATOR_LANEACCESS_H
#define FLOW_LIB_EMULATOR_LANEACCESS_H

#include "Cta.h"
#include "llvm/ADT/bit.h"

#include <cstring>

namespace flow::emulator {

/// The lanes of an access, with the places they touch.
struct Lanes {
  uint32_t mask = 0;
  Space space = Space::Global;
  std::array<uint64_t, kWarpSize> address{};
  std::array<uint8_t *, kWarpSize> host{};
};

template <typename Function> void forEachLane(uint32_t lanes, Function each) {
  if (lanes == ~0u) {
    for (unsigned lane = 0; lane < kWarpSize; ++lane)
      each(lane);
    return;
  }
  for (; lanes; lanes &= lanes - 1)
    each(unsigned(llvm::countr_zero(lanes)));
}

/// memcpy of the sizes that memory is accessed in, most of them without a call.
inline void copyBytes(void *to, const void *from, size_t count) {
  switch (count) {
  case 4:
    std::memcpy(to, from, 4);
    return;
  case 8:
    std::memcpy(to, from, 8);
    return;
  case 16:
    std::memcpy(to, from, 16);
    return;
  default:
    std::memcpy(to, from, count);
  }
}

inline uint8_t *frameOf(WarpState &state) {
  return reinterpret_cast<uint8_t *>(&state);
}

/// The value of a lane, extended with zeros.
uint64_t readSlot(WarpState &state, const Slot &slot, unsigned lane);

void readAddresses(WarpState &state, const Slot &slot, int64_t offset,
                   std::array<uint64_t, kWarpSize> &addresses);

/// Finds what the lanes of `mask` touch with `size` bytes each; false if there
/// is nothing to do: no lanes, or they may not, and the error is told.
bool findLanes(WarpState &state, const Access &access, uint32_t mask,
               uint32_t size, bool writes, Lanes &lanes);

/// The same for the sources of a cp.async, of which each lane reads as many
/// bytes as it says.
bool findSources(WarpState &state, const Access &access, uint32_t mask,
                 Lanes &source, std::array<uint32_t, kWarpSize> &sizes);

/// Looks for races; false, with the error told, if there is one.
bool watchShared(WarpState &state, const Access &access, const Lanes &lanes,
                 uint32_t size, SharedMemory::Kind kind);
bool watchGlobal(WarpState &state, const Access &access, const Lanes &lanes,
                 const std::array<uint32_t, kWarpSize> &sizes, bool writes);

/// The same for bytes that the asynchronous proxy reads.
bool watchGlobalRead(WarpState &state, uint32_t instruction, uint64_t address,
                     uint64_t bytes);

/// What the warp has to say is said at the places that it writes, and it hears
/// what has been said at those it reads: of atomics and strong accesses to
/// global memory, while the places are locked.
void tellOthers(WarpState &state, const Access &access, const Lanes &lanes);
void hearOthers(WarpState &state, const Access &access, const Lanes &lanes);
/// Locks them for such an access; no lock where nobody listens.
std::unique_lock<std::mutex> lockPlaces(WarpState &state, const Lanes &lanes);

/// Checks, as far as asked for, and counts an access of `size` bytes a lane
/// that has been found.
bool account(WarpState &state, const Access &access, const Lanes &lanes,
             uint32_t size, bool writes);

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_LANEACCESS_H
