// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the lanes of a warp do together: barriers, shuffles, waits.

#include "LaneAccess.h"
#include "Runtime.h"

#include "llvm/ADT/StringExtras.h"

using namespace flow::emulator;

static std::string lanesText(uint32_t lanes) {
  return "0x" + llvm::utohexstr(lanes);
}

static void commit(WarpState *state, uint32_t lanes) {
  Warp &warp = state->cta->warpOf(*state);
  for (uint32_t left = lanes; left; left &= left - 1)
    ++warp.groups[llvm::countr_zero(left)];
}

/// Delivers the copies of `lanes` but those of the last `groupsLeft` groups.
static void wait(WarpState *state, uint32_t lanes, uint32_t groupsLeft) {
  Cta &cta = *state->cta;
  Warp &warp = cta.warpOf(*state);
  auto isCovered = [&](const AsyncCopy &copy) {
    if (!(lanes >> copy.lane & 1))
      return false;
    return groupsLeft == kWaitForAll ||
           uint64_t(copy.group) + groupsLeft < warp.groups[copy.lane];
  };
  size_t kept = 0;
  for (const AsyncCopy &copy : warp.copies) {
    if (!isCovered(copy)) {
      warp.copies[kept++] = copy;
      continue;
    }
    copyBytes(cta.shared.data() + copy.destination, copy.data.data(),
              copy.bytes);
    cta.shared.land(warp.clock, copy.lane, copy.destination, copy.bytes);
  }
  warp.copies.resize(kept);
  if (groupsLeft == kWaitForAll)
    commit(state, lanes);
}

static void converge(WarpState *state, uint32_t instruction, uint32_t lanes,
                     const uint32_t *members, uint32_t count) {
  Cta &cta = *state->cta;
  cta.warpOf(*state).clock.synchronize();
  if (!cta.checks())
    return;
  for (uint32_t left = lanes; left; left &= left - 1) {
    unsigned lane = llvm::countr_zero(left);
    uint32_t named = members[count == 1 ? 0 : lane];
    // Lanes that have exited may still be named.
    if ((named & state->alive) != lanes)
      return cta.fail(*state, instruction,
                      "lane " + llvm::Twine(lane) + " names the lanes " +
                          lanesText(named) + ", but those here are " +
                          lanesText(lanes));
  }
}

static void wholeWarp(WarpState *state, uint32_t instruction, uint32_t lanes) {
  if (lanes != ~0u)
    state->cta->fail(*state, instruction,
                     "needs all lanes of the warp, but those here are " +
                         lanesText(lanes));
}

static void barrier(WarpState *state, uint32_t instruction, uint32_t lanes,
                    const uint32_t *id, const uint32_t *threads, uint32_t count,
                    uint32_t waits) {
  Cta &cta = *state->cta;
  if (lanes != state->alive)
    return cta.fail(*state, instruction,
                    "barrier reached by part of a warp: lanes " +
                        lanesText(lanes) + " of " + lanesText(state->alive));
  unsigned first = count == 1 ? 0 : llvm::countr_zero(lanes);
  for (unsigned lane = first; lane < count; ++lane)
    if (lanes >> lane & 1 &&
        (id[lane] != id[first] || threads[lane] != threads[first]))
      return cta.fail(*state, instruction,
                      "the lanes of the warp name different barriers");
  if (!waits)
    return cta.arrive(*state, instruction, id[first], threads[first]);
  state->barrier = id[first];
  state->barrierThreads = threads[first];
  state->barrierInstruction = instruction;
}

/// `operands` are the values, the lane operand, the clamp and the members.
static uint32_t shuffle(WarpState *state, uint32_t instruction, uint32_t lanes,
                        uint32_t mode, const uint32_t (*operands)[kWarpSize],
                        uint32_t *result) {
  converge(state, instruction, lanes, operands[3], kWarpSize);
  uint32_t inRange = 0;
  for (uint32_t left = lanes; left; left &= left - 1) {
    int lane = llvm::countr_zero(left);
    int b = operands[1][lane] & 31, clamp = operands[2][lane] & 31;
    int segment = operands[2][lane] >> 8 & 31;
    int most = (lane & segment) | (clamp & ~segment);
    int source = lane;
    bool isInRange = true;
    switch (static_cast<ShuffleMode>(mode)) {
    case ShuffleMode::Up:
      source = lane - b;
      isInRange = source >= most;
      break;
    case ShuffleMode::Down:
      source = lane + b;
      isInRange = source <= most;
      break;
    case ShuffleMode::Butterfly:
      source = lane ^ b;
      isInRange = source <= most;
      break;
    case ShuffleMode::Index:
      source = (lane & segment) | (b & ~segment);
      isInRange = source <= most;
      break;
    }
    if (!isInRange)
      source = lane;
    inRange |= uint32_t(isInRange) << lane;
    if (!(lanes >> source & 1) && state->cta->checks()) {
      state->cta->fail(*state, instruction,
                       "lane " + llvm::Twine(lane) + " reads lane " +
                           llvm::Twine(source) + ", which is not here");
      return 0;
    }
    result[lane] = operands[0][source];
  }
  return inRange;
}

/// What the values of `lanes` make together.
static uint32_t reduce(uint32_t lanes, uint32_t kind, const uint32_t *values) {
  if (!lanes)
    return 0;
  uint32_t result = values[llvm::countr_zero(lanes)];
  for (uint32_t left = lanes & (lanes - 1); left; left &= left - 1) {
    uint32_t value = values[llvm::countr_zero(left)];
    switch (static_cast<AtomicKind>(kind)) {
    case AtomicKind::And:
      result &= value;
      break;
    case AtomicKind::Or:
      result |= value;
      break;
    case AtomicKind::Xor:
      result ^= value;
      break;
    case AtomicKind::MinSigned:
      result = uint32_t(std::min(int32_t(result), int32_t(value)));
      break;
    case AtomicKind::MaxSigned:
      result = uint32_t(std::max(int32_t(result), int32_t(value)));
      break;
    case AtomicKind::MinUnsigned:
      result = std::min(result, value);
      break;
    case AtomicKind::MaxUnsigned:
      result = std::max(result, value);
      break;
    default: // a sum
      result += value;
    }
  }
  return result;
}

/// The lanes of `lanes` that hold what each holds; if they must all hold the
/// same, none where they do not. Returns those for which that is so.
static uint32_t match(uint32_t lanes, uint32_t bits, uint32_t isAll,
                      const void *values, uint32_t *result) {
  auto valueOf = [&](unsigned lane) {
    return bits == 64 ? static_cast<const uint64_t *>(values)[lane]
                      : static_cast<const uint32_t *>(values)[lane];
  };
  uint32_t matched = 0;
  for (uint32_t left = lanes; left; left &= left - 1) {
    unsigned lane = llvm::countr_zero(left);
    uint32_t same = 0;
    for (uint32_t others = lanes; others; others &= others - 1) {
      unsigned other = llvm::countr_zero(others);
      same |= uint32_t(valueOf(other) == valueOf(lane)) << other;
    }
    bool isMatched = !isAll || same == lanes;
    result[lane] = isMatched ? same : 0;
    matched |= uint32_t(isMatched) << lane;
  }
  return matched;
}

static void fence(WarpState *state) {
  Warp &warp = state->cta->warpOf(*state);
  warp.clock.grid.join(warp.heard);
  state->cta->tell(*state);
}

static void trap(WarpState *state, uint32_t instruction) {
  state->cta->fail(*state, instruction, "the kernel gave up");
}

template <typename Function> static void *address(Function *function) {
  return reinterpret_cast<void *>(function);
}

llvm::ArrayRef<RuntimeFunction> flow::emulator::warpFunctions() {
  static const RuntimeFunction functions[] = {
      {"commit", address(commit)},     {"wait", address(wait)},
      {"converge", address(converge)}, {"whole_warp", address(wholeWarp)},
      {"barrier", address(barrier)},   {"shuffle", address(shuffle)},
      {"reduce", address(reduce)},     {"match", address(match)},
      {"fence", address(fence)},       {"trap", address(trap)},
  };
  return functions;
}
