// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What generated code and the runtime share: the state of a warp, and the
// descriptions of its memory accesses.

#ifndef FLOW_LIB_EMULATOR_WARPSTATE_H
#define FLOW_LIB_EMULATOR_WARPSTATE_H

#include "SharedMemory.h"

#include <array>
#include <cstdint>

namespace flow::emulator {

class Cta;

/// The head of a warp's frame. Generated code finds the fields by `offsetof`;
/// the registers that live in memory follow at `kRegistersBegin`.
struct alignas(64) WarpState {
  /// Lanes that exist and have not exited; lanes that execute a block that not
  /// all of them may execute together.
  uint32_t alive, active;
  /// The block to go on with when the warp is called again.
  uint32_t resume;
  /// A rule was broken: the warp stops at the next barrier or loop.
  uint32_t failed;
  /// Of the barrier at which the warp stands: its number, how many threads it
  /// waits for (0: all), and the instruction, or that of an mbarrier.
  uint32_t barrier, barrierThreads, barrierInstruction;
  uint32_t warp;
  uint32_t ctaid[3], nctaid[3], ntid[3];
  uint32_t warpCount;
  const uint8_t *parameters;
  Cta *cta;
  /// How often each block ran, and with how many lanes in all: two numbers a
  /// block.
  uint64_t *blockCounts;
  uint64_t divergentBranches;
  /// Loaded as vectors.
  alignas(64) uint32_t tid[3][kWarpSize];
};

constexpr uint32_t kRegistersBegin = sizeof(WarpState);
static_assert(kRegistersBegin % 64 == 0);

/// What a call of generated code returns.
enum class WarpStatus : uint32_t { Done, AtBarrier, AtPhase };

/// A warp, from `resume` to the next barrier or the end.
using WarpFunction = WarpStatus (*)(WarpState *);

/// Where a value stands in the frame of a warp: lane `l` at
/// `offset + l * stride`.
struct Slot {
  uint32_t offset = 0;
  /// 0 if all lanes share one value.
  uint16_t stride = 0;
  uint16_t bytes = 0;
};

enum class Space : uint8_t { Global, Shared, Local, Generic };

/// Generic addresses of shared and local memory: no host address has bit 62.
constexpr uint64_t kSharedWindow = 0x4000'0000'0000'0000;
constexpr uint64_t kLocalWindow = 0x6000'0000'0000'0000;
constexpr uint64_t kWindowMask = 0x6000'0000'0000'0000;

enum class AtomicKind : uint8_t {
  Add,
  AddFloat,
  And,
  Or,
  Xor,
  MinSigned,
  MaxSigned,
  MinUnsigned,
  MaxUnsigned,
  Increment,
  Decrement,
  Exchange,
  CompareAndSwap
};

/// One instruction that touches memory.
struct Access {
  /// Of the kernel's instructions.
  uint32_t instruction = 0;
  Space space = Space::Global;
  /// Of each element in memory, and how many there are.
  uint8_t bytes = 4, count = 1;
  bool isSigned = false;
  /// Relaxed or volatile.
  bool isStrong = false;
  /// Of an atomic or a strong access, whether it is a fence for what comes
  /// after or before it.
  bool isAcquire = false, isRelease = false;
  bool isTransposed = false;
  bool hasResult = false;
  AtomicKind atomic = AtomicKind::Add;
  /// Added to every address.
  int64_t offset = 0, sourceOffset = 0;
  Slot address;
  /// The registers that are loaded or stored; of cp.async the source address
  /// and the source size; of an atomic the result and the operands.
  std::array<Slot, 8> data{};
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_WARPSTATE_H
