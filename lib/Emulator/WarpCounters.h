// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What an access of a warp costs the memories of a GPU.

#ifndef FLOW_LIB_EMULATOR_WARPCOUNTERS_H
#define FLOW_LIB_EMULATOR_WARPCOUNTERS_H

#include "SharedMemory.h"
#include "flow/Emulator/Emulator.h"

namespace flow::emulator {

class Cta;

using LaneAddresses = std::array<uint64_t, kWarpSize>;

/// Adds the wavefronts of the lanes of `mask`, which touch `size` bytes each.
void countShared(Counters &counters, const LaneAddresses &addresses,
                 uint32_t mask, uint32_t size);

/// Adds the request, its sectors and bytes, and marks the sectors; `size` is a
/// power of two and addresses are aligned to it.
void countGlobal(Cta &cta, const LaneAddresses &addresses, uint32_t mask,
                 uint32_t size, bool writes);

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_WARPCOUNTERS_H
