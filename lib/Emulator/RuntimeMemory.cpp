// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Accesses to memory, a warp at a time.

#include "LaneAccess.h"
#include "Runtime.h"
#include "WarpCounters.h"

#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

using namespace flow::emulator;
using Kind = SharedMemory::Kind;

namespace {

/// `Count` elements of `T` a lane, into registers of the same size.
template <typename T>
void loadSame(WarpState &state, const Access &access, const Lanes &lanes) {
  for (unsigned i = 0; i < access.count; ++i) {
    const Slot &slot = access.data[i];
    uint8_t *to = frameOf(state) + slot.offset;
    forEachLane(lanes.mask, [&](unsigned lane) {
      std::memcpy(to + lane * slot.stride, lanes.host[lane] + i * sizeof(T),
                  sizeof(T));
    });
  }
}

void loadExtended(WarpState &state, const Access &access, const Lanes &lanes) {
  unsigned shift = 64 - 8 * access.bytes;
  for (unsigned i = 0; i < access.count; ++i) {
    const Slot &slot = access.data[i];
    forEachLane(lanes.mask, [&](unsigned lane) {
      uint64_t value = 0;
      copyBytes(&value, lanes.host[lane] + i * access.bytes, access.bytes);
      if (access.isSigned)
        value = static_cast<uint64_t>(static_cast<int64_t>(value << shift) >>
                                      shift);
      std::memcpy(frameOf(state) + slot.offset + lane * slot.stride, &value,
                  slot.bytes);
    });
  }
}

void load(WarpState *state, const Access *access, uint32_t mask) {
  Lanes lanes;
  uint32_t size = access->bytes * access->count;
  if (!findLanes(*state, *access, mask, size, /*writes=*/false, lanes) ||
      !account(*state, *access, lanes, size, /*writes=*/false))
    return;
  std::unique_lock<std::mutex> places;
  if (access->isStrong)
    places = lockPlaces(*state, lanes);
  if (places)
    hearOthers(*state, *access, lanes);
  bool isSame = true;
  for (unsigned i = 0; i < access->count; ++i)
    isSame &= !access->data[i].bytes || access->data[i].bytes == access->bytes;
  if (isSame && access->bytes == 4)
    loadSame<uint32_t>(*state, *access, lanes);
  else if (isSame && access->bytes == 8)
    loadSame<uint64_t>(*state, *access, lanes);
  else
    loadExtended(*state, *access, lanes);
}

template <typename T>
void storeSame(WarpState &state, const Access &access, const Lanes &lanes) {
  for (unsigned i = 0; i < access.count; ++i) {
    const Slot &slot = access.data[i];
    const uint8_t *from = frameOf(state) + slot.offset;
    forEachLane(lanes.mask, [&](unsigned lane) {
      std::memcpy(lanes.host[lane] + i * sizeof(T), from + lane * slot.stride,
                  sizeof(T));
    });
  }
}

void store(WarpState *state, const Access *access, uint32_t mask) {
  Lanes lanes;
  uint32_t size = access->bytes * access->count;
  if (!findLanes(*state, *access, mask, size, /*writes=*/true, lanes) ||
      !account(*state, *access, lanes, size, /*writes=*/true))
    return;
  std::unique_lock<std::mutex> places;
  if (access->isStrong)
    places = lockPlaces(*state, lanes);
  if (places)
    tellOthers(*state, *access, lanes);
  switch (access->bytes) {
  case 1:
    return storeSame<uint8_t>(*state, *access, lanes);
  case 2:
    return storeSame<uint16_t>(*state, *access, lanes);
  case 4:
    return storeSame<uint32_t>(*state, *access, lanes);
  default:
    return storeSame<uint64_t>(*state, *access, lanes);
  }
}

void async(WarpState *state, const Access *access, uint32_t mask) {
  Cta &cta = *state->cta;
  Lanes lanes, source;
  std::array<uint32_t, kWarpSize> sizes{};
  if (!findLanes(*state, *access, mask, access->bytes, /*writes=*/true,
                 lanes) ||
      !findSources(*state, *access, mask, source, sizes))
    return;
  if (cta.counts()) {
    countGlobal(cta, source.address, source.mask, access->bytes,
                /*writes=*/false);
    // Bytes that are not read were not asked for.
    forEachLane(source.mask, [&](unsigned lane) {
      cta.counters.globalBytesRead -= access->bytes - sizes[lane];
    });
  }
  if (cta.checks() &&
      (!watchShared(*state, *access, lanes, access->bytes, Kind::AsyncWrite) ||
       !watchGlobal(*state, *access, source, sizes, /*writes=*/false)))
    return;
  Warp &warp = cta.warpOf(*state);
  forEachLane(mask, [&](unsigned lane) {
    AsyncCopy copy;
    copyBytes(copy.data.data(), source.host[lane], sizes[lane]);
    if (!cta.checks()) {
      copyBytes(lanes.host[lane], copy.data.data(), access->bytes);
      return;
    }
    copy.destination = lanes.address[lane];
    copy.group = warp.groups[lane];
    copy.bytes = access->bytes;
    copy.lane = lane;
    warp.copies.push_back(copy);
  });
}

/// The rows of ldmatrix and stmatrix: 16 bytes, whose addresses come from the
/// first 8 lanes for each matrix.
bool findRows(WarpState &state, const Access &access, uint32_t mask,
              bool writes, Lanes &lanes) {
  Cta &cta = *state.cta;
  if (mask != ~0u) {
    cta.fail(state, access.instruction,
             "needs all lanes of the warp, but those here are 0x" +
                 llvm::utohexstr(mask));
    return false;
  }
  uint32_t rows = access.count == 4 ? ~0u : (1u << 8 * access.count) - 1;
  if (!findLanes(state, access, rows, 16, writes, lanes))
    return false;
  if (lanes.space != Space::Shared) {
    cta.fail(state, access.instruction, "needs addresses of shared memory");
    return false;
  }
  if (cta.counts())
    countShared(cta.counters, lanes.address, lanes.mask, 16);
  if (!cta.checks())
    return true;
  WarpClock &clock = cta.warpOf(state).clock;
  clock.synchronize();
  for (unsigned row = 0; row < 8u * access.count; ++row) {
    uint32_t begin = lanes.address[row];
    if (writes ? cta.shared.access(clock, SharedMemory::kWholeWarp, Kind::Write,
                                   begin, 16)
               : cta.shared.readLine(clock, begin))
      continue;
    cta.fail(state, access.instruction, cta.shared.problem());
    return false;
  }
  return true;
}

void ldmatrix(WarpState *state, const Access *access, uint32_t mask) {
  Lanes lanes;
  if (!findRows(*state, *access, mask, /*writes=*/false, lanes))
    return;
  for (unsigned i = 0; i < access->count; ++i) {
    uint8_t *to = frameOf(*state) + access->data[i].offset;
    // Lane l has columns 2(l % 4) and the next of row l / 4: rows in a row.
    if (!access->isTransposed) {
      for (unsigned row = 0; row < 8; ++row)
        std::memcpy(to + 16 * row, lanes.host[8 * i + row], 16);
      continue;
    }
    uint16_t elements[8][8];
    for (unsigned row = 0; row < 8; ++row)
      std::memcpy(elements[row], lanes.host[8 * i + row], 16);
    auto *pairs = reinterpret_cast<uint32_t *>(to);
    for (unsigned lane = 0; lane < kWarpSize; ++lane)
      pairs[lane] = elements[2 * (lane % 4)][lane / 4] |
                    uint32_t(elements[2 * (lane % 4) + 1][lane / 4]) << 16;
  }
}

void stmatrix(WarpState *state, const Access *access, uint32_t mask) {
  Lanes lanes;
  if (!findRows(*state, *access, mask, /*writes=*/true, lanes))
    return;
  for (unsigned i = 0; i < access->count; ++i) {
    const Slot &slot = access->data[i];
    for (unsigned lane = 0; lane < kWarpSize; ++lane) {
      uint32_t pair = readSlot(*state, slot, lane);
      for (unsigned half = 0; half < 2; ++half) {
        unsigned row = lane / 4, column = 2 * (lane % 4) + half;
        if (access->isTransposed)
          std::swap(row, column);
        auto element = uint16_t(pair >> 16 * half);
        std::memcpy(lanes.host[8 * i + row] + 2 * column, &element, 2);
      }
    }
  }
}

// Atomics.

/// Applies `update` to the `T` at `address` without anybody between, and
/// returns what was there.
template <typename T, typename Update>
T exchangeBy(uint8_t *address, Update update) {
  T *target = reinterpret_cast<T *>(address);
  T old = __atomic_load_n(target, __ATOMIC_SEQ_CST);
  while (!__atomic_compare_exchange_n(target, &old, update(old), false,
                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    ;
  return old;
}

template <typename To, typename From> To sameBits(From from) {
  To to;
  static_assert(sizeof(to) == sizeof(from));
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

template <typename T>
T updated(AtomicKind kind, T old, T operand, T replacement) {
  using Signed = std::make_signed_t<T>;
  using Float = std::conditional_t<sizeof(T) == 4, float, double>;
  switch (kind) {
  case AtomicKind::Add:
    return old + operand;
  case AtomicKind::AddFloat:
    return sameBits<T>(sameBits<Float>(old) + sameBits<Float>(operand));
  case AtomicKind::And:
    return old & operand;
  case AtomicKind::Or:
    return old | operand;
  case AtomicKind::Xor:
    return old ^ operand;
  case AtomicKind::MinSigned:
    return std::min(Signed(old), Signed(operand));
  case AtomicKind::MaxSigned:
    return std::max(Signed(old), Signed(operand));
  case AtomicKind::MinUnsigned:
    return std::min(old, operand);
  case AtomicKind::MaxUnsigned:
    return std::max(old, operand);
  case AtomicKind::Increment:
    return old >= operand ? 0 : old + 1;
  case AtomicKind::Decrement:
    return old == 0 || old > operand ? operand : old - 1;
  case AtomicKind::Exchange:
    return operand;
  case AtomicKind::CompareAndSwap:
    return old == operand ? replacement : old;
  }
  return old;
}

template <typename T>
void updateLanes(WarpState &state, const Access &access, const Lanes &lanes) {
  forEachLane(lanes.mask, [&](unsigned lane) {
    T operand = readSlot(state, access.data[1], lane);
    T replacement = readSlot(state, access.data[2], lane);
    T old = exchangeBy<T>(lanes.host[lane], [&](T old) {
      return updated<T>(access.atomic, old, operand, replacement);
    });
    if (access.hasResult)
      std::memcpy(frameOf(state) + access.data[0].offset +
                      lane * access.data[0].stride,
                  &old, sizeof(T));
  });
}

void atomic(WarpState *state, const Access *access, uint32_t mask) {
  Cta &cta = *state->cta;
  Lanes lanes;
  if (!findLanes(*state, *access, mask, access->bytes, /*writes=*/true, lanes))
    return;
  if (cta.counts()) {
    if (lanes.space == Space::Shared)
      countShared(cta.counters, lanes.address, lanes.mask, access->bytes);
    else
      countGlobal(cta, lanes.address, lanes.mask, access->bytes,
                  /*writes=*/true);
  }
  if (lanes.space != Space::Global && cta.checks() &&
      !watchShared(*state, *access, lanes, access->bytes, Kind::Atomic))
    return;
  std::unique_lock<std::mutex> places = lockPlaces(*state, lanes);
  if (places) {
    tellOthers(*state, *access, lanes);
    hearOthers(*state, *access, lanes);
  }
  if (access->bytes == 4)
    updateLanes<uint32_t>(*state, *access, lanes);
  else
    updateLanes<uint64_t>(*state, *access, lanes);
}

} // namespace

template <typename Function> static void *address(Function *function) {
  return reinterpret_cast<void *>(function);
}

llvm::ArrayRef<RuntimeFunction> flow::emulator::memoryFunctions() {
  static const RuntimeFunction functions[] = {
      {"load", address(load)},         {"store", address(store)},
      {"async", address(async)},       {"ldmatrix", address(ldmatrix)},
      {"stmatrix", address(stmatrix)}, {"atomic", address(atomic)},
  };
  return functions;
}
