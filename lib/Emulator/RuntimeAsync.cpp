// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mbarriers and copies of the asynchronous proxy, a warp at a time.

#include "LaneAccess.h"
#include "Runtime.h"
#include "WarpCounters.h"

#include <algorithm>
#include <cstring>

using namespace flow::emulator;

static void mbarrier(WarpState *state, uint32_t instruction, uint32_t lanes,
                     uint32_t operation, const uint64_t *addresses,
                     const uint64_t *operands, uint64_t *result) {
  Cta &cta = *state->cta;
  ++cta.warpOf(*state).clock.serial;
  for (uint32_t left = lanes; left && !state->failed; left &= left - 1) {
    unsigned lane = llvm::countr_zero(left);
    uint64_t address = addresses[lane] & ~kWindowMask;
    uint64_t operand = operands[lane];
    auto kind = static_cast<MbarrierOperation>(operation);
    if (kind == MbarrierOperation::Init) {
      cta.initMbarrier(*state, instruction, lane, address, operand);
      continue;
    }
    if (kind == MbarrierOperation::Invalidate) {
      cta.invalidateMbarrier(*state, instruction, lane, address);
      continue;
    }
    Mbarrier *barrier = cta.findMbarrier(*state, instruction, lane, address);
    if (!barrier)
      return;
    bool arrives = kind != MbarrierOperation::Expect;
    bool expects = kind != MbarrierOperation::Arrive;
    result[lane] = cta.arriveAt(*state, instruction, *barrier,
                                !arrives  ? 0
                                : expects ? 1
                                          : operand,
                                expects ? operand : 0);
  }
}

/// Asks lane by lane whether a phase is over, or lets the warp wait for all.
static uint32_t phase(WarpState *state, uint32_t instruction, uint32_t lanes,
                      uint32_t waits, uint32_t isParity,
                      const uint64_t *addresses, const uint64_t *phases) {
  Cta &cta = *state->cta;
  Warp &warp = cta.warpOf(*state);
  ++warp.clock.serial;
  uint32_t over = 0;
  for (uint32_t left = lanes; left; left &= left - 1) {
    unsigned lane = llvm::countr_zero(left);
    uint64_t address = addresses[lane] & ~kWindowMask;
    const Mbarrier *barrier =
        cta.findMbarrier(*state, instruction, lane, address);
    if (!barrier)
      return 0;
    if (isParity && phases[lane] > 1) {
      cta.fail(*state, instruction,
               "the parity of a phase is 0 or 1, got " +
                   llvm::Twine(phases[lane]));
      return 0;
    }
    // A parity is that of this phase or of the one before.
    uint64_t current = barrier->phase;
    PhaseWait wait{uint32_t(address), isParity ? current : phases[lane]};
    bool isOver =
        isParity ? (current & 1) != phases[lane] : current > phases[lane];
    if (isOver) {
      over |= 1u << lane;
      // Of the phase before the first there is nothing to know.
      if (current)
        cta.acquire(warp, {uint32_t(address), current - 1});
      continue;
    }
    auto isSame = [&](const PhaseWait &other) {
      return other.address == wait.address && other.phase == wait.phase;
    };
    if (waits && llvm::none_of(warp.phases, isSame))
      warp.phases.push_back(wait);
  }
  state->barrierInstruction = instruction;
  if (!waits && over != lanes)
    cta.askInVain(*state, instruction);
  // Who waits is called again when everything is over.
  return waits ? lanes : over;
}

namespace {

/// The copy of one lane: its matrix in global memory, and where it goes.
struct Copy {
  MatrixMap map;
  int64_t row = 0, column = 0;
  uint32_t to = 0;
  uint64_t barrier = 0;

  uint64_t rowBytes() const {
    return uint64_t(map.boxColumns) * map.elementBytes;
  }
};

class BulkCopier {
public:
  BulkCopier(WarpState &state, uint32_t instruction, unsigned lane)
      : state(state), cta(*state.cta), instruction(instruction), lane(lane) {}

  void copyTensor(const uint64_t (*operands)[kWarpSize]);
  void copyBytes(const uint64_t (*operands)[kWarpSize]);

private:
  bool fail(const llvm::Twine &what) {
    cta.fail(state, instruction, what);
    return false;
  }
  bool readMap(uint64_t address, MatrixMap &map);
  bool readRow(uint64_t from, uint64_t bytes, uint8_t *to);
  void issue(BulkCopy copy, uint64_t barrier);

  WarpState &state;
  Cta &cta;
  uint32_t instruction;
  unsigned lane;
};

} // namespace

bool BulkCopier::readMap(uint64_t address, MatrixMap &map) {
  TensorMapBytes bytes;
  llvm::ArrayRef<uint8_t> parameters = cta.parameters();
  uint64_t offset = address - reinterpret_cast<uintptr_t>(parameters.data());
  bool isParameter =
      offset < parameters.size() && bytes.size() <= parameters.size() - offset;
  const GlobalMemory::Range *range =
      isParameter ? nullptr : cta.findGlobal(address);
  if (!isParameter && (!range || bytes.size() > range->end - address))
    return fail("there is no tensor map at 0x" +
                llvm::Twine::utohexstr(address) + ", which " +
                (range ? "passes the end of '" + range->name + "'"
                       : cta.describeNear(address)));
  if ((isParameter ? offset : address) % 64 != 0)
    return fail("a tensor map at 0x" + llvm::Twine::utohexstr(address) +
                " is not aligned to 64 bytes");
  std::memcpy(bytes.data(), reinterpret_cast<const void *>(address),
              bytes.size());
  llvm::Expected<MatrixMap> decoded = decodeTensorMap(bytes);
  if (!decoded)
    return fail(llvm::toString(decoded.takeError()));
  map = *decoded;
  return true;
}

bool BulkCopier::readRow(uint64_t from, uint64_t bytes, uint8_t *to) {
  const GlobalMemory::Range *range = cta.findGlobal(from);
  if (!range || bytes > range->end - from)
    return fail("reads " + llvm::Twine(bytes) + " bytes at 0x" +
                llvm::Twine::utohexstr(from) + ", which " +
                (range ? "pass the end of '" + range->name + "'"
                       : cta.describeNear(from)));
  if (cta.counts()) {
    cta.counters.globalBytesRead += bytes;
    for (uint64_t at = from / kSectorBytes * kSectorBytes; at < from + bytes;
         at += kSectorBytes) {
      ++cta.counters.globalSectorsRead;
      cta.touch(std::max(at, from), /*writes=*/false);
    }
  }
  if (cta.checks() && !watchGlobalRead(state, instruction, from, bytes))
    return false;
  std::memcpy(to, reinterpret_cast<const void *>(from), bytes);
  return true;
}

/// Marks what the copy will write, and hands it to its barrier.
void BulkCopier::issue(BulkCopy copy, uint64_t address) {
  Mbarrier *barrier = cta.findMbarrier(state, instruction, lane, address);
  if (!barrier)
    return;
  const WarpClock &clock = cta.warpOf(state).clock;
  if (cta.checks() && !barrier->isFenced &&
      clock.fenced[barrier->warp] < barrier->time) {
    fail("the asynchronous proxy does not know of the mbarrier's "
         "initialisation: there is no fence.proxy.async or "
         "fence.mbarrier_init behind it");
    return;
  }
  uint64_t bytes = copy.data.size();
  if (copy.begin + bytes > cta.shared.size()) {
    fail("writes " + llvm::Twine(bytes) + " bytes at shared byte " +
         llvm::Twine(copy.begin) + " of " + llvm::Twine(cta.shared.size()));
    return;
  }
  for (uint64_t at = 0; at < bytes; at += 16) {
    uint32_t to = swizzled(copy.swizzle, copy.begin + at);
    if (cta.touchesMbarrier(to, 16)) {
      fail("writes over an mbarrier at shared byte " + llvm::Twine(to));
      return;
    }
    if (cta.checks() &&
        !cta.shared.access(clock, lane, SharedMemory::Kind::BulkWrite, to,
                           16)) {
      fail(cta.shared.problem());
      return;
    }
  }
  copy.instruction = instruction;
  cta.addCopy(*barrier, std::move(copy));
}

/// Operands: destination, map, column, row, barrier.
void BulkCopier::copyTensor(const uint64_t (*operands)[kWarpSize]) {
  BulkCopy copy;
  MatrixMap map;
  uint64_t to = operands[0][lane] & ~kWindowMask;
  if (to % 128 != 0) {
    fail("a box at shared byte " + llvm::Twine(to) +
         ", expected a multiple of 128");
    return;
  }
  if (!readMap(operands[1][lane], map))
    return;
  copy.begin = to;
  copy.swizzle = map.swizzle;
  auto column = static_cast<int32_t>(operands[2][lane]);
  auto firstRow = static_cast<int32_t>(operands[3][lane]);
  uint64_t boxBytes = uint64_t(map.boxColumns) * map.elementBytes;
  copy.data.assign(boxBytes * map.boxRows, 0);
  // What is beyond the matrix stays zero.
  int64_t begin = std::max<int64_t>(column, 0);
  int64_t end = std::min<int64_t>(int64_t(column) + map.boxColumns,
                                  static_cast<int64_t>(map.columns));
  if (cta.counts())
    ++cta.counters.globalLoads;
  for (int64_t i = 0; i < map.boxRows && begin < end; ++i) {
    int64_t row = int64_t(firstRow) + i;
    if (row < 0 || row >= static_cast<int64_t>(map.rows))
      continue;
    if (!readRow(map.address + row * map.rowBytes + begin * map.elementBytes,
                 (end - begin) * map.elementBytes,
                 copy.data.data() + i * boxBytes +
                     (begin - column) * map.elementBytes))
      return;
  }
  issue(std::move(copy), operands[4][lane] & ~kWindowMask);
}

/// Operands: destination, source, bytes, barrier.
void BulkCopier::copyBytes(const uint64_t (*operands)[kWarpSize]) {
  BulkCopy copy;
  uint64_t to = operands[0][lane] & ~kWindowMask, from = operands[1][lane];
  uint64_t bytes = operands[2][lane];
  if ((to | from | bytes) % 16 != 0 || !bytes) {
    fail("copies " + llvm::Twine(bytes) + " bytes from 0x" +
         llvm::Twine::utohexstr(from) + " to shared byte " + llvm::Twine(to) +
         ", expected multiples of 16");
    return;
  }
  if (bytes > cta.shared.size()) {
    fail("copies " + llvm::Twine(bytes) + " bytes to the " +
         llvm::Twine(cta.shared.size()) + " of shared memory");
    return;
  }
  copy.begin = to;
  copy.data.assign(bytes, 0);
  if (cta.counts())
    ++cta.counters.globalLoads;
  if (readRow(from, bytes, copy.data.data()))
    issue(std::move(copy), operands[3][lane] & ~kWindowMask);
}

static void bulk(WarpState *state, uint32_t instruction, uint32_t lanes,
                 uint32_t isTensor, const uint64_t (*operands)[kWarpSize]) {
  ++state->cta->warpOf(*state).clock.serial;
  for (uint32_t left = lanes; left && !state->failed; left &= left - 1) {
    BulkCopier copier(*state, instruction, llvm::countr_zero(left));
    if (isTensor)
      copier.copyTensor(operands);
    else
      copier.copyBytes(operands);
  }
}

static void fenceProxy(WarpState *state, uint32_t isInit) {
  Warp &warp = state->cta->warpOf(*state);
  if (isInit)
    state->cta->fenceMbarriers(warp);
  else
    warp.clock.fenceProxy();
}

template <typename Function> static void *address(Function *function) {
  return reinterpret_cast<void *>(function);
}

llvm::ArrayRef<RuntimeFunction> flow::emulator::asyncFunctions() {
  static const RuntimeFunction functions[] = {
      {"mbarrier", address(mbarrier)},
      {"phase", address(phase)},
      {"bulk", address(bulk)},
      {"fence_proxy", address(fenceProxy)},
  };
  return functions;
}
