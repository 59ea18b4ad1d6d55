// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds, checks and counts what the lanes of a warp touch.

#include "LaneAccess.h"

#include "WarpCounters.h"

#include "llvm/ADT/StringExtras.h"

#include <cstring>

using namespace flow::emulator;
using Kind = SharedMemory::Kind;

static const char *nameOf(Space space) {
  switch (space) {
  case Space::Global:
    return "global";
  case Space::Shared:
    return "shared";
  case Space::Local:
    return "local";
  case Space::Generic:
    break;
  }
  return "generic";
}

uint64_t flow::emulator::readSlot(WarpState &state, const Slot &slot,
                                  unsigned lane) {
  uint64_t value = 0;
  copyBytes(&value, frameOf(state) + slot.offset + lane * slot.stride,
            slot.bytes);
  return value;
}

void flow::emulator::readAddresses(WarpState &state, const Slot &slot,
                                   int64_t offset,
                                   std::array<uint64_t, kWarpSize> &addresses) {
  const uint8_t *from = frameOf(state) + slot.offset;
  if (!slot.stride) {
    addresses.fill(readSlot(state, slot, 0) + offset);
    return;
  }
  if (slot.bytes == 4) {
    const auto *values = reinterpret_cast<const uint32_t *>(from);
    for (unsigned lane = 0; lane < kWarpSize; ++lane)
      addresses[lane] = uint32_t(values[lane] + offset);
    return;
  }
  const auto *values = reinterpret_cast<const uint64_t *>(from);
  for (unsigned lane = 0; lane < kWarpSize; ++lane)
    addresses[lane] = values[lane] + offset;
}

/// Says which lane wants what, and what there is.
static void failAt(WarpState &state, const Access &access, const Lanes &lanes,
                   unsigned lane, uint32_t size, const llvm::Twine &why) {
  state.cta->fail(state, access.instruction,
                  llvm::Twine("lane ") + llvm::Twine(lane) + ": " +
                      nameOf(lanes.space) + " access of " + llvm::Twine(size) +
                      " bytes at 0x" + llvm::utohexstr(lanes.address[lane]) +
                      " " + why);
}

/// Gives generic addresses their space.
static bool chooseSpace(WarpState &state, const Access &access, Lanes &lanes) {
  unsigned first = llvm::countr_zero(lanes.mask);
  uint64_t window = lanes.address[first] & kWindowMask;
  lanes.space = window == kSharedWindow  ? Space::Shared
                : window == kLocalWindow ? Space::Local
                                         : Space::Global;
  bool isMixed = false;
  forEachLane(lanes.mask, [&](unsigned lane) {
    isMixed |= (lanes.address[lane] & kWindowMask) != window;
    if (lanes.space != Space::Global)
      lanes.address[lane] &= ~kWindowMask;
  });
  if (isMixed)
    state.cta->fail(state, access.instruction,
                    "generic addresses of different memories in one warp are "
                    "not supported");
  return !isMixed;
}

static std::string describeEnd(const GlobalMemory::Range &range) {
  return "passes the end of '" + range.name + "' (" +
         std::to_string(range.end - range.begin) + " bytes)";
}

static bool findGlobal(WarpState &state, const Access &access, Lanes &lanes,
                       uint32_t size, bool writes) {
  Cta &cta = *state.cta;
  uint64_t least = UINT64_MAX, most = 0;
  forEachLane(lanes.mask, [&](unsigned lane) {
    least = std::min(least, lanes.address[lane]);
    most = std::max(most, lanes.address[lane]);
    lanes.host[lane] = reinterpret_cast<uint8_t *>(lanes.address[lane]);
  });
  const GlobalMemory::Range *whole = cta.findGlobal(least);
  if (whole && most + size > most && most + size <= whole->end &&
      !(writes && whole->readOnly))
    return true;
  // Not all in one piece of memory.
  for (uint32_t left = lanes.mask; left; left &= left - 1) {
    unsigned lane = llvm::countr_zero(left);
    uint64_t at = lanes.address[lane];
    const GlobalMemory::Range *range = cta.findGlobal(at);
    if (!range) {
      failAt(state, access, lanes, lane, size, cta.describeNear(at));
      return false;
    }
    if (size > range->end - at) {
      failAt(state, access, lanes, lane, size, describeEnd(*range));
      return false;
    }
    if (writes && range->readOnly) {
      failAt(state, access, lanes, lane, size,
             "writes '" + range->name + "', which is read-only");
      return false;
    }
  }
  return true;
}

static bool findInside(WarpState &state, const Access &access, Lanes &lanes,
                       uint32_t size) {
  Cta &cta = *state.cta;
  bool isShared = lanes.space == Space::Shared;
  uint64_t limit = isShared ? cta.shared.size() : cta.localBytes();
  uint8_t *base = cta.shared.data();
  for (uint32_t left = lanes.mask; left; left &= left - 1) {
    unsigned lane = llvm::countr_zero(left);
    uint64_t at = lanes.address[lane];
    if (at > limit || size > limit - at) {
      failAt(state, access, lanes, lane, size,
             "passes the end of the " + llvm::Twine(limit) + " bytes of " +
                 nameOf(lanes.space) + " memory");
      return false;
    }
    lanes.host[lane] = (isShared ? base : cta.localMemory(state, lane)) + at;
  }
  return true;
}

bool flow::emulator::findLanes(WarpState &state, const Access &access,
                               uint32_t mask, uint32_t size, bool writes,
                               Lanes &lanes) {
  if (!mask || state.failed)
    return false;
  lanes.mask = mask;
  lanes.space = access.space;
  readAddresses(state, access.address, access.offset, lanes.address);
  if (access.space == Space::Generic && !chooseSpace(state, access, lanes))
    return false;
  uint64_t low = 0;
  forEachLane(mask, [&](unsigned lane) { low |= lanes.address[lane]; });
  if (low & (size - 1)) {
    for (unsigned lane = 0; lane < kWarpSize; ++lane)
      if (mask >> lane & 1 && lanes.address[lane] & (size - 1)) {
        failAt(state, access, lanes, lane, size, "is not aligned");
        return false;
      }
  }
  return lanes.space == Space::Global
             ? findGlobal(state, access, lanes, size, writes)
             : findInside(state, access, lanes, size);
}

bool flow::emulator::watchShared(WarpState &state, const Access &access,
                                 const Lanes &lanes, uint32_t size, Kind kind) {
  Cta &cta = *state.cta;
  WarpClock &clock = cta.warpOf(state).clock;
  ++clock.serial;
  for (uint32_t left = lanes.mask; left; left &= left - 1) {
    unsigned lane = llvm::countr_zero(left);
    bool isObject =
        cta.hasMbarriers() && cta.touchesMbarrier(lanes.address[lane], size);
    if (!isObject &&
        cta.shared.access(clock, lane, kind, lanes.address[lane], size))
      continue;
    cta.fail(state, access.instruction,
             isObject ? "touches an mbarrier at shared byte " +
                            std::to_string(lanes.address[lane])
                      : cta.shared.problem());
    return false;
  }
  return true;
}

/// Whether the warp, which is at `now`, knows that it comes after `last`.
static bool isAfter(const Warp &warp, const GridTime &now,
                    const GridTime &last) {
  if (last.cta != now.cta)
    return warp.clock.grid.covers(last);
  return last.warp == now.warp || last.time <= warp.clock.times[last.warp];
}

/// Records that the warp writes `count` bytes at `tags`, or looks who wrote
/// what it reads: the place of a byte that another warp wrote at a time that
/// nobody told of, or -1; then also who it was.
static int findOther(std::atomic<uint64_t> *tags, uint64_t count,
                     const Warp &warp, const GridTime &now, bool writes,
                     GridTime &other) {
  uint64_t self = now.tag();
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t last = writes ? tags[i].exchange(self, std::memory_order_relaxed)
                           : tags[i].load(std::memory_order_relaxed);
    if (!last || last == self)
      continue;
    other = GridTime::ofTag(last);
    if (!isAfter(warp, now, other))
      return int(i);
  }
  return -1;
}

static std::string describeRace(bool writes, uint64_t byte,
                                const GlobalMemory::Range &range,
                                const GridTime &now, const GridTime &other) {
  return (writes ? "writes byte " : "reads byte ") + std::to_string(byte) +
         " of '" + range.name + "', which " +
         (other.cta == now.cta ? "warp " + std::to_string(other.warp)
                               : std::string("another CTA")) +
         " wrote in the same launch";
}

bool flow::emulator::watchGlobal(WarpState &state, const Access &access,
                                 const Lanes &lanes,
                                 const std::array<uint32_t, kWarpSize> &sizes,
                                 bool writes) {
  Cta &cta = *state.cta;
  GlobalRaces *races = cta.globalRaces();
  if (!races || access.isStrong)
    return true;
  const Warp &warp = cta.warpOf(state);
  GridTime now = cta.now(state), other;
  const GlobalMemory::Range *range = nullptr;
  std::atomic<uint64_t> *tags = nullptr;
  for (uint32_t left = lanes.mask; left; left &= left - 1) {
    unsigned lane = llvm::countr_zero(left);
    uint64_t at = lanes.address[lane];
    if (!range || at < range->begin || at >= range->end) {
      range = cta.findGlobal(at);
      tags = writes ? races->writers(*range) : races->writersOrNull(*range);
    }
    if (!tags)
      continue;
    uint64_t begin = at - range->begin;
    int found = findOther(tags + begin, sizes[lane], warp, now, writes, other);
    if (found < 0)
      continue;
    failAt(state, access, lanes, lane, sizes[lane],
           describeRace(writes, begin + found, *range, now, other));
    return false;
  }
  return true;
}

bool flow::emulator::watchGlobalRead(WarpState &state, uint32_t instruction,
                                     uint64_t address, uint64_t bytes) {
  Cta &cta = *state.cta;
  GlobalRaces *races = cta.globalRaces();
  const GlobalMemory::Range *range = cta.findGlobal(address);
  std::atomic<uint64_t> *tags =
      races && range ? races->writersOrNull(*range) : nullptr;
  if (!tags)
    return true;
  uint64_t begin = address - range->begin;
  GridTime now = cta.now(state), other;
  int found = findOther(tags + begin, bytes, cta.warpOf(state), now,
                        /*writes=*/false, other);
  if (found < 0)
    return true;
  cta.fail(state, instruction,
           describeRace(/*writes=*/false, begin + found, *range, now, other));
  return false;
}

std::unique_lock<std::mutex> flow::emulator::lockPlaces(WarpState &state,
                                                        const Lanes &lanes) {
  GlobalRaces *races = state.cta->globalRaces();
  if (!races || lanes.space != Space::Global)
    return {};
  return races->lockPlaces();
}

void flow::emulator::tellOthers(WarpState &state, const Access &access,
                                const Lanes &lanes) {
  Cta &cta = *state.cta;
  if (access.isRelease)
    cta.tell(state);
  const GridClocks &told = cta.warpOf(state).told;
  if (!told.isEmpty())
    forEachLane(lanes.mask, [&](unsigned lane) {
      cta.globalRaces()->place(lanes.address[lane]).join(told);
    });
}

void flow::emulator::hearOthers(WarpState &state, const Access &access,
                                const Lanes &lanes) {
  Cta &cta = *state.cta;
  Warp &warp = cta.warpOf(state);
  forEachLane(lanes.mask, [&](unsigned lane) {
    warp.heard.join(cta.globalRaces()->place(lanes.address[lane]));
  });
  if (access.isAcquire)
    warp.clock.grid.join(warp.heard);
}

bool flow::emulator::account(WarpState &state, const Access &access,
                             const Lanes &lanes, uint32_t size, bool writes) {
  Cta &cta = *state.cta;
  if (cta.counts()) {
    if (lanes.space == Space::Shared)
      countShared(cta.counters, lanes.address, lanes.mask, size);
    else if (lanes.space == Space::Global)
      countGlobal(cta, lanes.address, lanes.mask, size, writes);
  }
  if (!cta.checks())
    return true;
  if (lanes.space == Space::Global) {
    std::array<uint32_t, kWarpSize> sizes;
    sizes.fill(size);
    return watchGlobal(state, access, lanes, sizes, writes);
  }
  if (lanes.space != Space::Shared)
    return true;
  Kind kind = access.isStrong ? writes ? Kind::StrongWrite : Kind::StrongRead
              : writes        ? Kind::Write
                              : Kind::Read;
  return watchShared(state, access, lanes, size, kind);
}

bool flow::emulator::findSources(WarpState &state, const Access &access,
                                 uint32_t mask, Lanes &source,
                                 std::array<uint32_t, kWarpSize> &sizes) {
  Cta &cta = *state.cta;
  source.mask = mask;
  readAddresses(state, access.data[0], access.sourceOffset, source.address);
  for (uint32_t left = mask; left; left &= left - 1) {
    unsigned lane = llvm::countr_zero(left);
    uint32_t size = access.data[1].bytes ? readSlot(state, access.data[1], lane)
                                         : access.bytes;
    sizes[lane] = size;
    uint64_t at = source.address[lane];
    source.host[lane] = reinterpret_cast<uint8_t *>(at);
    if (size > access.bytes) {
      failAt(state, access, source, lane, size,
             "is larger than the " + llvm::Twine(unsigned(access.bytes)) +
                 " bytes of the copy");
      return false;
    }
    if (at & (access.bytes - 1)) {
      failAt(state, access, source, lane, size, "is not aligned");
      return false;
    }
    if (!size) {
      source.mask &= ~(1u << lane);
      continue;
    }
    const GlobalMemory::Range *range = cta.findGlobal(at);
    if (range && size <= range->end - at)
      continue;
    failAt(state, access, source, lane, size,
           range ? describeEnd(*range) : cta.describeNear(at));
    return false;
  }
  return true;
}
