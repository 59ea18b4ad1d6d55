// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mbarriers of a CTA: arrivals, phases, and what copies bring.

#include "Cta.h"

#include "llvm/ADT/Twine.h"

#include <cstring>

using namespace flow::emulator;

/// Bytes of an mbarrier object, and the most arrivals that it counts.
static constexpr uint32_t kBytes = 8, kMostArrivals = (1 << 20) - 1;

bool Cta::touchesMbarrier(uint64_t address, uint32_t count) const {
  auto next = mbarriers.lower_bound(
      static_cast<uint32_t>(address < kBytes ? 0 : address - kBytes + 1));
  return next != mbarriers.end() && next->first < address + count;
}

void Cta::initMbarrier(WarpState &state, uint32_t instruction, unsigned lane,
                       uint64_t address, uint32_t count) {
  if (address % kBytes != 0 || address + kBytes > shared.size())
    return fail(state, instruction,
                "an mbarrier at shared byte " + llvm::Twine(address) +
                    ", expected a multiple of 8 within the " +
                    llvm::Twine(shared.size()) + " bytes of shared memory");
  if (count == 0 || count > kMostArrivals)
    return fail(state, instruction,
                "an mbarrier for " + llvm::Twine(count) +
                    " arrivals, expected 1 to " + llvm::Twine(kMostArrivals));
  if (mbarriers.count(address))
    return fail(state, instruction,
                "the mbarrier at shared byte " + llvm::Twine(address) +
                    " is initialised again without mbarrier.inval");
  WarpClock &clock = warpOf(state).clock;
  if (checks() &&
      !shared.access(clock, lane, SharedMemory::Kind::Write, address, kBytes))
    return fail(state, instruction, shared.problem());
  Mbarrier &barrier = mbarriers[address];
  barrier.expected = barrier.pending = count;
  barrier.warp = clock.warp;
  barrier.time = clock.times[clock.warp];
}

void Cta::invalidateMbarrier(WarpState &state, uint32_t instruction,
                             unsigned lane, uint64_t address) {
  Mbarrier *barrier = findMbarrier(state, instruction, lane, address);
  if (!barrier)
    return;
  if (!barrier->copies.empty())
    return fail(state, instruction,
                "the mbarrier is invalidated while copies are under way");
  mbarriers.erase(address);
  if (checks() && !shared.access(warpOf(state).clock, lane,
                                 SharedMemory::Kind::Write, address, kBytes))
    fail(state, instruction, shared.problem());
}

Mbarrier *Cta::findMbarrier(WarpState &state, uint32_t instruction,
                            unsigned lane, uint64_t address) {
  auto found = mbarriers.find(address);
  if (found == mbarriers.end()) {
    fail(state, instruction,
         "no mbarrier was initialised at shared byte " + llvm::Twine(address));
    return nullptr;
  }
  // Whoever has not been told of the initialisation may come before it.
  if (checks() &&
      !shared.access(warpOf(state).clock, lane, SharedMemory::Kind::StrongRead,
                     address, kBytes)) {
    fail(state, instruction, shared.problem());
    return nullptr;
  }
  return &found->second;
}

uint64_t Cta::arriveAt(WarpState &state, uint32_t instruction,
                       Mbarrier &barrier, uint32_t count, uint64_t bytes) {
  uint64_t phase = barrier.phase;
  if (count > barrier.pending) {
    fail(state, instruction,
         llvm::Twine(count) + " arrivals at an mbarrier that waits for " +
             llvm::Twine(barrier.pending) + " more of " +
             llvm::Twine(barrier.expected));
    return phase;
  }
  Warp &warp = warpOf(state);
  barrier.expectedBytes += bytes;
  barrier.pending -= count;
  if (count) {
    barrier.arriving.join(warp.clock);
    barrier.arrivingWarps |= 1u << state.warp;
    warp.clock.advance();
  }
  ++events;
  endPhase(barrier);
  return phase;
}

void Cta::addCopy(Mbarrier &barrier, BulkCopy copy) {
  barrier.copiedBytes += copy.data.size();
  barrier.copies.push_back(std::move(copy));
  ++events;
  endPhase(barrier);
}

/// Begins the next phase if this one is over: now copies deliver, as late as
/// they may.
void Cta::endPhase(Mbarrier &barrier) {
  if (!barrier.isOver())
    return;
  ++asyncTime;
  for (const BulkCopy &copy : barrier.copies)
    for (uint32_t at = 0; at < copy.data.size(); at += 16) {
      uint32_t to = swizzled(copy.swizzle, copy.begin + at);
      std::memcpy(shared.data() + to, copy.data.data() + at, 16);
      if (checks())
        shared.landBulk(asyncTime, to, 16);
    }
  if (!barrier.copies.empty())
    barrier.arriving.times[kAsyncProxy] = asyncTime;
  barrier.copies.clear();
  barrier.released.join(barrier.arriving);
  barrier.releasedWarps |= barrier.arrivingWarps;
  barrier.arriving = Knowledge();
  barrier.arrivingWarps = 0;
  barrier.expectedBytes = barrier.copiedBytes = 0;
  barrier.pending = barrier.expected;
  ++barrier.phase;
}

bool Cta::acquire(Warp &warp, const PhaseWait &wait) {
  auto found = mbarriers.find(wait.address);
  if (found == mbarriers.end() || found->second.phase <= wait.phase)
    return false;
  const Mbarrier &barrier = found->second;
  warp.clock.join(barrier.released);
  // Lanes that arrived told the others of their warp, too.
  if (barrier.releasedWarps >> warp.clock.warp & 1)
    warp.clock.synchronize();
  return true;
}

void Cta::askInVain(WarpState &state, uint32_t instruction) {
  constexpr uint32_t kPatience = 1000;
  Warp &warp = warpOf(state);
  warp.idle = warp.lastEvents == events ? warp.idle + 1 : 0;
  warp.lastEvents = events;
  if (warp.idle > kPatience)
    fail(state, instruction,
         "deadlock: asks for a phase that cannot end any more");
}

void Cta::fenceMbarriers(const Warp &warp) {
  for (auto &[address, barrier] : mbarriers)
    barrier.isFenced |= barrier.warp == warp.clock.warp;
}

std::string Cta::describeWait(const Warp &warp) const {
  if (warp.phases.empty())
    return "barrier " + std::to_string(warp.state->barrier);
  uint32_t address = warp.phases.back().address;
  std::string text = "the mbarrier at shared byte " + std::to_string(address);
  auto found = mbarriers.find(address);
  if (found == mbarriers.end())
    return text + ", which is no more,";
  const Mbarrier &barrier = found->second;
  return text + " with " + std::to_string(barrier.pending) + " of " +
         std::to_string(barrier.expected) + " arrivals to come, " +
         std::to_string(barrier.expectedBytes) + " bytes expected and " +
         std::to_string(barrier.copiedBytes) + " copied";
}

bool Cta::checkEnd() {
  for (const auto &[address, barrier] : mbarriers)
    if (!barrier.copies.empty()) {
      fail(*warps[barrier.warp].state, barrier.copies.front().instruction,
           "the CTA ends before the copy");
      return false;
    }
  for (const Warp &warp : warps) {
    if (!warp.products.empty() && checks()) {
      fail(*warp.state, warp.products.front().product->instruction,
           "the CTA ends before the wgmma");
      return false;
    }
    const auto &steps = groupSteps[warp.clock.warp / 4];
    if (checks() && warp.groupSteps != steps.size()) {
      fail(*warp.state, steps[warp.groupSteps].instruction,
           "a warp of the warpgroup does not take part");
      return false;
    }
  }
  return true;
}

bool Cta::keepStep(WarpState &state, uint32_t instruction, uint64_t a,
                   uint64_t b) {
  if (!checks())
    return true;
  if (state.warp / 4 * 4 + 4 > warps.size()) {
    fail(state, instruction, "the warp is in no warpgroup of four");
    return false;
  }
  auto &steps = groupSteps[state.warp / 4];
  size_t at = warpOf(state).groupSteps++;
  if (at == steps.size()) {
    steps.push_back({instruction, a, b});
    return true;
  }
  if (steps[at].instruction == instruction && steps[at].a == a &&
      steps[at].b == b)
    return true;
  fail(state, instruction,
       steps[at].instruction == instruction
           ? "the warps of a warpgroup name different matrices"
           : "the warps of a warpgroup do different wgmma");
  return false;
}
