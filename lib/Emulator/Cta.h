// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the warps of one CTA until all are done.

#ifndef FLOW_LIB_EMULATOR_CTA_H
#define FLOW_LIB_EMULATOR_CTA_H

#include "GlobalRaces.h"
#include "Mbarrier.h"
#include "TouchedSectors.h"
#include "WarpState.h"
#include "WarpgroupProduct.h"
#include "flow/Emulator/Emulator.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace flow::emulator {

struct KernelCode;

/// What all CTAs of a launch have in common.
struct LaunchContext {
  const KernelCode *kernel = nullptr;
  const Launch *launch = nullptr;
  const GlobalMemory *memory = nullptr;
  /// The module's own variables.
  const GlobalMemory *variables = nullptr;
  ProgramOptions options;
  std::vector<uint8_t> parameters;
  /// Null without checks.
  GlobalRaces *races = nullptr;
  TouchedSectors *touched = nullptr;
};

/// A copy to shared memory that has been issued and not waited for.
struct AsyncCopy {
  uint32_t destination = 0, group = 0;
  uint8_t bytes = 0, lane = 0;
  std::array<uint8_t, 16> data{};
};

/// One of a CTA's warps, beside its frame.
struct Warp {
  WarpState *state = nullptr;
  WarpClock clock;
  std::vector<AsyncCopy> copies;
  /// What it has read of other CTAs and knows after a fence; what it says
  /// since its last one.
  GridClocks heard, told;
  /// How many groups each lane has committed.
  std::array<uint32_t, kWarpSize> groups{};
  bool isDone = false, isWaiting = false;
  /// Phases that it waits for.
  llvm::SmallVector<PhaseWait, 2> phases;
  /// How often in a row it asked for a phase in vain while nothing happened,
  /// and what had happened by then.
  uint32_t idle = 0;
  uint64_t lastEvents = 0;
  /// wgmma: what is under way, the registers of any that something else has
  /// touched since the last fence, and whether there was one.
  std::vector<OpenProduct> products;
  llvm::DenseSet<uint32_t> touched;
  bool hasFenced = false;
  /// Steps of its warpgroup that it has done.
  size_t groupSteps = 0;
};

/// One CTA at a time, again and again: memory is kept between them.
class Cta {
public:
  explicit Cta(const LaunchContext &context);

  /// Runs the CTA number `index` of the grid. False if it broke a rule.
  bool run(uint64_t index);
  /// Which rule that was, and where.
  const std::string &error() const { return *firstError; }

  Counters counters;

  // What the runtime functions use.
  void fail(const WarpState &state, uint32_t instruction,
            const llvm::Twine &what);
  Warp &warpOf(const WarpState &state) { return warps[state.warp]; }
  const GlobalMemory::Range *findGlobal(uint64_t address);
  /// For errors: which memory is near an address that is in none.
  std::string describeNear(uint64_t address) const;
  bool checks() const { return context.options.checks; }
  bool counts() const { return context.options.count; }
  /// Marks the sector of `address`, which is in some memory.
  void touch(uint64_t address, bool writes);
  GlobalRaces *globalRaces() { return context.races; }
  /// The warp's present moment.
  GridTime now(const WarpState &state) const {
    const Warp &warp = warps[state.warp];
    return {uint32_t(current) + 1, state.warp, warp.clock.times[state.warp]};
  }
  /// What the warp did before is told by what it writes from here on.
  void tell(const WarpState &state);
  uint8_t *localMemory(const WarpState &state, unsigned lane);
  uint64_t localBytes() const;
  /// Counts the lanes that arrive at a barrier without waiting there.
  void arrive(WarpState &state, uint32_t instruction, uint32_t barrier,
              uint32_t threads);

  // mbarriers, in Mbarriers.cpp. Each of these reports what breaks a rule.
  void initMbarrier(WarpState &state, uint32_t instruction, unsigned lane,
                    uint64_t address, uint32_t count);
  void invalidateMbarrier(WarpState &state, uint32_t instruction, unsigned lane,
                          uint64_t address);
  /// The one at `address`, or null after an error.
  Mbarrier *findMbarrier(WarpState &state, uint32_t instruction, unsigned lane,
                         uint64_t address);
  /// Arrives `count` times, and expects `bytes`; returns the phase before.
  uint64_t arriveAt(WarpState &state, uint32_t instruction, Mbarrier &barrier,
                    uint32_t count, uint64_t bytes);
  void addCopy(Mbarrier &barrier, BulkCopy copy);
  /// Whether that phase is over; `warp` then knows what those know who arrived.
  bool acquire(Warp &warp, const PhaseWait &wait);
  /// Counts a question for a phase that was not over; an error if nothing
  /// happens any more.
  void askInVain(WarpState &state, uint32_t instruction);
  /// fence.mbarrier_init.
  void fenceMbarriers(const Warp &warp);
  bool hasMbarriers() const { return !mbarriers.empty(); }
  /// Whether some of these bytes are of an mbarrier.
  bool touchesMbarrier(uint64_t address, uint32_t count) const;

  /// A step of wgmma that all warps of a warpgroup must do in the same order,
  /// with the same descriptors. False after an error.
  bool keepStep(WarpState &state, uint32_t instruction, uint64_t a = 0,
                uint64_t b = 0);
  /// The kernel's parameters, of which tensor maps may be some.
  llvm::ArrayRef<uint8_t> parameters() const { return context.parameters; }

  SharedMemory shared;

private:
  struct Barrier {
    /// Threads that have arrived, and that are waited for; what those know.
    uint32_t arrived = 0, expected = 0;
    Knowledge known;
    llvm::SmallVector<unsigned, kMaxWarps> waiting;
  };

  void start(uint64_t index);
  bool join(Warp &warp);
  bool enter(Barrier &barrier, uint32_t id, Warp &warp, uint32_t instruction,
             uint32_t threads);
  void openBarriers();
  void release(Barrier &barrier);
  void reportDeadlock();
  bool isReady(Warp &warp);
  void endPhase(Mbarrier &barrier);
  std::string describeWait(const Warp &warp) const;
  /// Whether all that was begun has ended with the CTA.
  bool checkEnd();
  void addCounts();
  uint32_t exitedThreads() const;

  const LaunchContext &context;
  uint64_t current = 0;
  uint32_t blockThreads = 0;
  std::vector<Warp> warps;
  std::array<Barrier, 16> barriers;
  /// By address.
  std::map<uint32_t, Mbarrier> mbarriers;
  /// Times of the asynchronous proxy, and what has happened at barriers.
  uint32_t asyncTime = 0;
  uint64_t events = 0;
  /// What warpgroups have done with wgmma.
  struct GroupStep {
    uint32_t instruction;
    uint64_t a, b;
  };
  std::vector<std::vector<GroupStep>> groupSteps;
  size_t frameBytes = 0;
  std::unique_ptr<uint8_t[]> frames;
  uint8_t *firstFrame = nullptr;
  std::vector<uint8_t> local;
  std::vector<uint64_t> blockCounts;
  const GlobalMemory::Range *lastRange = nullptr, *touchedRange = nullptr;
  TouchedSectors::Bits *touchedBits = nullptr;
  std::optional<std::string> firstError;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_CTA_H
