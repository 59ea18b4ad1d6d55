// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counts wavefronts and sectors.

#include "WarpCounters.h"

#include "Cta.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"

#include <algorithm>

using namespace flow::emulator;

static constexpr uint32_t kBanks = 32, kBankBytes = 4;

Counters &Counters::operator+=(const Counters &other) {
  instructions += other.instructions;
  threadInstructions += other.threadInstructions;
  mma += other.mma;
  ldmatrix += other.ldmatrix;
  asyncCopies += other.asyncCopies;
  wgmma += other.wgmma;
  bulkCopies += other.bulkCopies;
  special += other.special;
  barriers += other.barriers;
  divergentBranches += other.divergentBranches;
  sharedWavefronts += other.sharedWavefronts;
  bankConflicts += other.bankConflicts;
  globalLoads += other.globalLoads;
  globalStores += other.globalStores;
  globalSectorsRead += other.globalSectorsRead;
  globalSectorsWritten += other.globalSectorsWritten;
  globalBytesRead += other.globalBytesRead;
  globalBytesWritten += other.globalBytesWritten;
  distinctSectorsRead += other.distinctSectorsRead;
  distinctSectorsWritten += other.distinctSectorsWritten;
  tensorOperations += other.tensorOperations;
  byteTensorOperations += other.byteTensorOperations;
  floatOperations += other.floatOperations;
  return *this;
}

/// The passes that serve these pieces of memory, of which piece `i` lies in the
/// banks `i % places` of all: those in the same banks take turns, unless they
/// are the same piece.
static unsigned countPasses(llvm::MutableArrayRef<uint64_t> pieces,
                            unsigned places) {
  constexpr uint64_t kNone = UINT64_MAX;
  std::array<uint64_t, kBanks> held;
  std::fill_n(held.begin(), places, kNone);
  bool isFree = true;
  for (uint64_t piece : pieces) {
    uint64_t &place = held[piece % places];
    isFree &= place == kNone || place == piece;
    place = piece;
  }
  if (isFree)
    return 1;
  llvm::sort(pieces);
  std::array<unsigned, kBanks> counts{};
  auto *end = std::unique(pieces.begin(), pieces.end());
  for (auto *piece = pieces.begin(); piece != end; ++piece)
    ++counts[*piece % places];
  return *llvm::max_element(counts);
}

void flow::emulator::countShared(Counters &counters,
                                 const LaneAddresses &addresses, uint32_t mask,
                                 uint32_t size) {
  // What a lane touches is aligned to its size, so these are whole pieces; as
  // many as fill the banks make a pass.
  uint32_t piece = std::max(size, kBankBytes);
  unsigned lanesAPass = kBanks * kBankBytes / piece;
  for (unsigned first = 0; first < kWarpSize; first += lanesAPass) {
    std::array<uint64_t, kWarpSize> touched;
    unsigned count = 0;
    for (unsigned lane = first; lane < first + lanesAPass; ++lane)
      if (mask >> lane & 1)
        touched[count++] = addresses[lane] / piece;
    if (!count)
      continue;
    unsigned passes = countPasses({touched.data(), count}, lanesAPass);
    counters.sharedWavefronts += passes;
    counters.bankConflicts += passes - 1;
  }
}

void flow::emulator::countGlobal(Cta &cta, const LaneAddresses &addresses,
                                 uint32_t mask, uint32_t size, bool writes) {
  std::array<uint64_t, kWarpSize> sectors;
  unsigned count = 0;
  bool isSorted = true;
  for (uint32_t left = mask; left; left &= left - 1) {
    uint64_t address = addresses[llvm::countr_zero(left)];
    uint64_t sector = address / kSectorBytes;
    if (count && sectors[count - 1] == sector)
      continue;
    cta.touch(address, writes);
    isSorted &= !count || sectors[count - 1] < sector;
    sectors[count++] = sector;
  }
  if (!isSorted) {
    std::sort(sectors.begin(), sectors.begin() + count);
    count =
        std::unique(sectors.begin(), sectors.begin() + count) - sectors.begin();
  }
  uint64_t bytes = uint64_t(llvm::popcount(mask)) * size;
  Counters &counters = cta.counters;
  (writes ? counters.globalStores : counters.globalLoads) += 1;
  (writes ? counters.globalSectorsWritten : counters.globalSectorsRead) +=
      count;
  (writes ? counters.globalBytesWritten : counters.globalBytesRead) += bytes;
}
