// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the warps of a CTA in turn, each to its next barrier.

#include "Cta.h"

#include "KernelCode.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace flow::emulator;

Cta::Cta(const LaunchContext &context) : context(context) {
  const Dim3 &block = context.launch->block;
  blockThreads = block.x * block.y * block.z;
  warps.resize(llvm::divideCeil(blockThreads, kWarpSize));
  // Frames start at different cache sets.
  frameBytes = llvm::alignTo(context.kernel->frameBytes, 64) + 64;
  frames = std::make_unique<uint8_t[]>(frameBytes * warps.size() + 64);
  firstFrame = reinterpret_cast<uint8_t *>(
      llvm::alignTo(reinterpret_cast<uintptr_t>(frames.get()), 64));
  local.resize(localBytes() * kWarpSize * warps.size());
  blockCounts.resize(2 * context.kernel->blocks.size());
}

uint64_t Cta::localBytes() const {
  return llvm::alignTo(context.kernel->kernel->localBytes, 16);
}

uint8_t *Cta::localMemory(const WarpState &state, unsigned lane) {
  return local.data() + (state.warp * kWarpSize + lane) * localBytes();
}

const GlobalMemory::Range *Cta::findGlobal(uint64_t address) {
  if (lastRange && address >= lastRange->begin && address < lastRange->end)
    return lastRange;
  const GlobalMemory::Range *found = context.memory->find(address);
  if (!found)
    found = context.variables->find(address);
  if (found)
    lastRange = found;
  return found;
}

void Cta::touch(uint64_t address, bool writes) {
  const GlobalMemory::Range *range = findGlobal(address);
  if (range != touchedRange) {
    touchedRange = range;
    touchedBits = &context.touched->of(*range);
  }
  touchedBits->mark(address, writes);
}

std::string Cta::describeNear(uint64_t address) const {
  // The nearest memory below is most likely the one that was meant.
  const GlobalMemory::Range *below = context.memory->findBelow(address);
  if (!below)
    return "is in no known memory";
  return "is in no known memory, " + std::to_string(address - below->end) +
         " bytes past the end of '" + below->name + "' (" +
         std::to_string(below->end - below->begin) + " bytes)";
}

void Cta::fail(const WarpState &state, uint32_t instruction,
               const llvm::Twine &what) {
  warps[state.warp].state->failed = 1;
  if (firstError)
    return;
  const Instruction &culprit =
      context.kernel->kernel->instructions[instruction];
  firstError =
      ("kernel '" + llvm::Twine(context.kernel->kernel->name) + "', CTA (" +
       llvm::Twine(state.ctaid[0]) + ", " + llvm::Twine(state.ctaid[1]) + ", " +
       llvm::Twine(state.ctaid[2]) + "), warp " + llvm::Twine(state.warp) +
       ", PTX line " + llvm::Twine(culprit.line) + " '" + culprit.text +
       "': " + what)
          .str();
}

void Cta::start(uint64_t index) {
  current = index;
  const Dim3 &grid = context.launch->grid, &block = context.launch->block;
  uint32_t ctaid[3] = {uint32_t(index % grid.x),
                       uint32_t(index / grid.x % grid.y),
                       uint32_t(index / grid.x / grid.y)};
  shared.reset(context.kernel->dynamicShared + context.launch->sharedBytes,
               warps.size(), checks());
  barriers = {};
  mbarriers.clear();
  asyncTime = 0;
  groupSteps.assign(llvm::divideCeil(warps.size(), 4), {});
  for (auto [i, warp] : llvm::enumerate(warps)) {
    warp.clock = WarpClock();
    warp.clock.warp = i;
    warp.clock.times[i] = 1;
    warp.heard = warp.told = GridClocks();
    warp.copies.clear();
    warp.groups.fill(0);
    warp.isDone = warp.isWaiting = false;
    warp.phases.clear();
    warp.products.clear();
    warp.touched.clear();
    warp.hasFenced = false;
    warp.groupSteps = 0;
    uint8_t *frame = firstFrame + i * frameBytes;
    std::memset(frame, 0, context.kernel->frameBytes);
    WarpState &state = *reinterpret_cast<WarpState *>(frame);
    warp.state = &state;
    uint32_t first = i * kWarpSize;
    uint32_t lanes = std::min(kWarpSize, blockThreads - first);
    state.alive = state.active = llvm::maskTrailingOnes<uint32_t>(lanes);
    state.warp = i;
    state.warpCount = warps.size();
    for (unsigned d = 0; d < 3; ++d)
      state.ctaid[d] = ctaid[d];
    state.nctaid[0] = grid.x, state.nctaid[1] = grid.y,
    state.nctaid[2] = grid.z;
    state.ntid[0] = block.x, state.ntid[1] = block.y, state.ntid[2] = block.z;
    state.parameters = context.parameters.data();
    state.cta = this;
    state.blockCounts = blockCounts.data();
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      uint32_t thread = first + lane;
      state.tid[0][lane] = thread % block.x;
      state.tid[1][lane] = thread / block.x % block.y;
      state.tid[2][lane] = thread / block.x / block.y;
    }
  }
}

bool Cta::run(uint64_t index) {
  start(index);
  for (bool moved = true; moved;) {
    moved = false;
    for (Warp &warp : warps) {
      if (!isReady(warp))
        continue;
      moved = true;
      WarpStatus status = context.kernel->function(warp.state);
      if (firstError)
        return false;
      if (status == WarpStatus::AtPhase)
        continue;
      ++events;
      if (status == WarpStatus::Done)
        warp.isDone = true;
      else if (!join(warp))
        return false;
    }
    // Those that have exited are no longer waited for.
    openBarriers();
  }
  addCounts();
  for (const Warp &warp : warps)
    if (!warp.isDone) {
      reportDeadlock();
      return false;
    }
  return checkEnd();
}

bool Cta::isReady(Warp &warp) {
  if (warp.isDone || warp.isWaiting)
    return false;
  while (!warp.phases.empty() && acquire(warp, warp.phases.back()))
    warp.phases.pop_back();
  return warp.phases.empty();
}

void Cta::addCounts() {
  if (!counts())
    return;
  for (auto [i, block] : llvm::enumerate(context.kernel->blocks)) {
    uint64_t runs = blockCounts[2 * i], lanes = blockCounts[2 * i + 1];
    counters.instructions += runs * block.instructions;
    counters.threadInstructions += lanes * block.instructions;
    counters.mma += runs * block.mma;
    counters.ldmatrix += runs * block.ldmatrix;
    counters.asyncCopies += runs * block.asyncCopies;
    counters.wgmma += runs * block.wgmma;
    counters.bulkCopies += runs * block.bulkCopies;
    counters.special += runs * block.special;
    counters.barriers += runs * block.barriers;
    counters.tensorOperations += runs * block.tensorOperations;
    counters.byteTensorOperations += runs * block.byteTensorOperations;
    counters.floatOperations += lanes * block.floatOperations;
  }
  llvm::fill(blockCounts, 0);
  for (const Warp &warp : warps)
    counters.divergentBranches += warp.state->divergentBranches;
}

uint32_t Cta::exitedThreads() const {
  uint32_t alive = 0;
  for (const Warp &warp : warps)
    if (!warp.isDone)
      alive += llvm::popcount(warp.state->alive);
  return blockThreads - alive;
}

bool Cta::enter(Barrier &barrier, uint32_t id, Warp &warp, uint32_t instruction,
                uint32_t threads) {
  if (threads % kWarpSize || threads > warps.size() * kWarpSize) {
    fail(*warp.state, instruction,
         "barrier " + llvm::Twine(id) + " for " + llvm::Twine(threads) +
             " threads, expected a multiple of 32 up to " +
             llvm::Twine(warps.size() * kWarpSize));
    return false;
  }
  if (barrier.arrived && barrier.expected != threads) {
    fail(*warp.state, instruction,
         "barrier " + llvm::Twine(id) + " for " +
             (threads ? llvm::Twine(threads) : llvm::Twine("all")) +
             " threads, others wait there for " +
             (barrier.expected ? llvm::Twine(barrier.expected)
                               : llvm::Twine("all")));
    return false;
  }
  barrier.expected = threads;
  // A warp counts as a whole, whatever became of some of its lanes.
  barrier.arrived += threads ? kWarpSize : llvm::popcount(warp.state->alive);
  barrier.known.join(warp.clock);
  return true;
}

bool Cta::join(Warp &warp) {
  uint32_t id = warp.state->barrier;
  if (id >= barriers.size()) {
    fail(*warp.state, warp.state->barrierInstruction,
         "barrier " + llvm::Twine(id) + ", there are 16");
    return false;
  }
  if (!enter(barriers[id], id, warp, warp.state->barrierInstruction,
             warp.state->barrierThreads))
    return false;
  barriers[id].waiting.push_back(warp.clock.warp);
  warp.isWaiting = true;
  openBarriers();
  return true;
}

void Cta::arrive(WarpState &state, uint32_t instruction, uint32_t barrier,
                 uint32_t threads) {
  if (barrier >= barriers.size())
    return fail(state, instruction,
                "barrier " + llvm::Twine(barrier) + ", there are 16");
  Warp &warp = warpOf(state);
  if (!enter(barriers[barrier], barrier, warp, instruction, threads))
    return;
  warp.clock.advance();
  warp.clock.synchronize();
}

void Cta::tell(const WarpState &state) {
  Warp &warp = warpOf(state);
  warp.told = warp.clock.grid;
  warp.told.join(uint32_t(current) + 1, warp.clock.times);
  warp.clock.advance();
}

void Cta::openBarriers() {
  for (Barrier &barrier : barriers) {
    if (!barrier.arrived)
      continue;
    uint32_t needed =
        barrier.expected ? barrier.expected : blockThreads - exitedThreads();
    if (barrier.arrived >= needed)
      release(barrier);
  }
}

void Cta::release(Barrier &barrier) {
  for (unsigned index : barrier.waiting) {
    Warp &warp = warps[index];
    warp.clock.join(barrier.known);
    warp.clock.advance();
    warp.clock.synchronize();
    warp.isWaiting = false;
  }
  barrier = Barrier();
}

void Cta::reportDeadlock() {
  std::string others;
  const Warp *first = nullptr;
  for (const Warp &warp : warps) {
    if (warp.isDone)
      continue;
    if (!first) {
      first = &warp;
      continue;
    }
    others += (others.empty() ? "; also waiting: warp " : ", warp ") +
              std::to_string(warp.clock.warp) + " at " + describeWait(warp);
  }
  if (!first->phases.empty())
    return fail(*first->state, first->state->barrierInstruction,
                "deadlock: " + describeWait(*first) + ", and no warp can move" +
                    others);
  const Barrier &barrier = barriers[first->state->barrier];
  uint32_t needed =
      barrier.expected ? barrier.expected : blockThreads - exitedThreads();
  fail(*first->state, first->state->barrierInstruction,
       "deadlock: barrier " + llvm::Twine(first->state->barrier) + " has " +
           llvm::Twine(barrier.arrived) + " of " + llvm::Twine(needed) +
           " threads, and no warp can move" + others);
}
