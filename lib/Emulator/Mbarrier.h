// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An mbarrier object of a CTA, and the copies that arrive at it.

#ifndef FLOW_LIB_EMULATOR_MBARRIER_H
#define FLOW_LIB_EMULATOR_MBARRIER_H

#include "SharedMemory.h"
#include "flow/Emulator/TensorMap.h"

namespace flow::emulator {

/// A copy to shared memory by the asynchronous proxy that has been issued.
struct BulkCopy {
  uint32_t instruction = 0;
  /// Where it begins, and how its chunks of 16 bytes lie there.
  uint32_t begin = 0;
  Swizzle swizzle = Swizzle::None;
  std::vector<uint8_t> data;
};

/// Its phase ends when all arrivals that it expects have come, and as many
/// bytes of copies as they said. Copies deliver no sooner than that.
struct Mbarrier {
  uint32_t expected = 0, pending = 0;
  /// Bytes that the arrivals of the phase said, and that copies bring.
  uint64_t expectedBytes = 0, copiedBytes = 0;
  uint64_t phase = 0;
  std::vector<BulkCopy> copies;
  /// What those who arrived know, in this phase and in the ones that are over;
  /// and which warps they are of.
  Knowledge arriving, released;
  uint32_t arrivingWarps = 0, releasedWarps = 0;
  /// Who initialised it, and when; a fence has told the asynchronous proxy.
  uint8_t warp = 0;
  uint32_t time = 0;
  bool isFenced = false;

  bool isOver() const { return pending == 0 && expectedBytes == copiedBytes; }
};

/// A phase of the mbarrier at an address.
struct PhaseWait {
  uint32_t address = 0;
  uint64_t phase = 0;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_MBARRIER_H
