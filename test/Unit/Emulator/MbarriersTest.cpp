// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mbarriers, and copies by the asynchronous proxy that arrive at them.

#include "EmulatorTesting.h"
#include "flow/Emulator/TensorMap.h"

using namespace flow::emulator;
using namespace flow::emulator::testing;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {

/// %r9 is the front of shared memory, where data lies, %r10 an mbarrier behind
/// it, %r1 the thread's own word, %p1 the first thread of all.
const std::string kNames =
    "mov.u32 %r9, smem; add.u32 %r10, %r9, 2048;"
    "mad.lo.u32 %r1, %tid, 4, %r9; setp.eq.u32 %p1, %tid, 0;";

/// An mbarrier for `arrivals` that every thread knows of.
std::string withBarrier(int arrivals) {
  return kNames + "@!%p1 bra BEGIN; mbarrier.init.shared.b64 [%r10], " +
         std::to_string(arrivals) +
         "; fence.proxy.async.shared::cta; BEGIN: bar.sync 0;";
}

const std::string kWait =
    "{ .reg .pred done; AGAIN: mbarrier.try_wait.parity.shared.b64 done, "
    "[%r10], 0, 1000; @done bra.uni OVER; bra.uni AGAIN; OVER: }";

Environment withThreads(uint32_t threads) {
  Environment environment;
  environment.threads = threads;
  environment.sharedBytes = 4096;
  for (size_t i = 0; i < environment.in.size(); ++i)
    environment.in[i] = i + 1;
  return environment;
}

/// Each thread reads what the one 32 places on wrote.
std::string exchange(const std::string &synchronize) {
  return "st.shared.u32 [%r1], %tid;" + synchronize +
         "add.u32 %r2, %tid, 32; and.b32 %r2, %r2, 63;"
         "mad.lo.u32 %r2, %r2, 4, %r9; ld.shared.u32 %r3, [%r2];" +
         storeWord("%r3") + "ret;";
}

TEST(Mbarriers, arrivalsTellThoseWhoWait) {
  Outcome outcome =
      run(withBarrier(64) +
              exchange("mbarrier.arrive.shared.b64 %rd1, [%r10];" + kWait),
          withThreads(64));
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 64; ++i)
    EXPECT_EQ(outcome.words[i], (i + 32) % 64);
}

TEST(Mbarriers, whoDoesNotWaitKnowsNothing) {
  EXPECT_THAT(run(withBarrier(64) +
                      exchange("mbarrier.arrive.shared.b64 %rd1, [%r10];"),
                  withThreads(64))
                  .error,
              HasSubstr("read"));
  // What comes after the arrival is not told of.
  EXPECT_THAT(
      run(withBarrier(64) + exchange("mbarrier.arrive.shared.b64 %rd1, [%r10];"
                                     "st.shared.u32 [%r1], %tid;" +
                                     kWait),
          withThreads(64))
          .error,
      HasSubstr("read after write"));
}

TEST(Mbarriers, countsMayBeGiven) {
  Outcome outcome = run(
      withBarrier(64) + "@%p1 mbarrier.arrive.shared.b64 %rd1, [%r10], 64;" +
          kWait + "mov.u32 %r3, 7;" + storeWord("%r3") + "ret;",
      withThreads(64));
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[63], 7u);
  EXPECT_THAT(
      run(withBarrier(1) + "mbarrier.arrive.shared.b64 %rd1, [%r10], 2; ret;",
          withThreads(32))
          .error,
      HasSubstr("2 arrivals at an mbarrier that waits for 1 more of 1"));
}

TEST(Mbarriers, phasesAlternate) {
  // Parity 1 is that of the phase before the first; afterwards phase 0 is over
  // and phase 1 is not.
  std::string body = withBarrier(32);
  auto ask = [](const std::string &parity, const std::string &to) {
    return "mbarrier.test_wait.parity.shared.b64 %p2, [%r10], " + parity +
           "; selp.u32 " + to + ", 1, 0, %p2;";
  };
  body += ask("0", "%r2") + ask("1", "%r3") +
          "mbarrier.arrive.shared.b64 %rd1, [%r10];" + ask("0", "%r4") +
          ask("1", "%r5") +
          "mbarrier.test_wait.shared.b64 %p2, [%r10], %rd1;"
          "selp.u32 %r6, 1, 0, %p2;"
          "shl.b32 %r3, %r3, 1; shl.b32 %r4, %r4, 2; shl.b32 %r5, %r5, 3;"
          "shl.b32 %r6, %r6, 4; or.b32 %r2, %r2, %r3; or.b32 %r2, %r2, %r4;"
          "or.b32 %r2, %r2, %r5; or.b32 %r2, %r2, %r6;" +
          storeWord("%r2") + "ret;";
  Outcome outcome = run(body, withThreads(32));
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[5], 0b10110u);
}

TEST(Mbarriers, waitingForNothingIsADeadlock) {
  EXPECT_THAT(
      run(withBarrier(33) + "mbarrier.arrive.shared.b64 %rd1, [%r10];" + kWait +
              "ret;",
          withThreads(32))
          .error,
      AllOf(HasSubstr("deadlock: the mbarrier at shared byte 2048 with 1 of 33 "
                      "arrivals to come"),
            HasSubstr("try_wait")));
  EXPECT_THAT(run(withBarrier(1) +
                      "AGAIN: mbarrier.test_wait.parity.shared.b64 %p2, "
                      "[%r10], 0; @!%p2 bra AGAIN; ret;",
                  withThreads(32))
                  .error,
              HasSubstr("deadlock: asks for a phase that cannot end"));
}

TEST(Mbarriers, haveALife) {
  EXPECT_THAT(run(kNames + "mbarrier.arrive.shared.b64 %rd1, [%r10]; ret;",
                  withThreads(32))
                  .error,
              HasSubstr("no mbarrier was initialised at shared byte 2048"));
  EXPECT_THAT(run(withBarrier(1) + "@%p1 mbarrier.init.shared.b64 [%r10], 1;"
                                   "ret;",
                  withThreads(32))
                  .error,
              HasSubstr("initialised again"));
  EXPECT_EQ(run(withBarrier(1) + "@%p1 mbarrier.inval.shared.b64 [%r10];"
                                 "@%p1 mbarrier.init.shared.b64 [%r10], 1;"
                                 "@%p1 mbarrier.inval.shared.b64 [%r10];"
                                 "@%p1 st.shared.u32 [%r10], 1; ret;",
                withThreads(32))
                .error,
            "");
  EXPECT_THAT(
      run(withBarrier(1) + "ld.shared.u32 %r2, [%r10+4]; ret;", withThreads(32))
          .error,
      HasSubstr("touches an mbarrier"));
  EXPECT_THAT(run(kNames + "add.u32 %r10, %r10, 4;"
                           "@%p1 mbarrier.init.shared.b64 [%r10], 1; ret;",
                  withThreads(32))
                  .error,
              HasSubstr("multiple of 8"));
}

TEST(Mbarriers, othersMustKnowOfThem) {
  std::string body = kNames +
                     "@!%p1 bra BEGIN; mbarrier.init.shared.b64 [%r10], 33;"
                     "BEGIN: mbarrier.arrive.shared.b64 %rd1, [%r10]; ret;";
  EXPECT_THAT(run(body, withThreads(64)).error, HasSubstr("read after write"));
}

/// The first thread copies 256 bytes of `in`; all wait and read a word.
std::string copy(const std::string &before, const std::string &after,
                 const std::string &bytes = "256") {
  return withBarrier(1) + "@!%p1 bra WAIT;" + before +
         "mbarrier.arrive.expect_tx.shared.b64 %rd1, [%r10], " + bytes +
         "; cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
         "[%r9], [%in], 256, [%r10]; WAIT: " +
         after + "ld.shared.u32 %r3, [%r1];" + storeWord("%r3") + "ret;";
}

TEST(BulkCopies, arriveWithTheirBytes) {
  Outcome outcome = run(copy("", kWait), withThreads(64));
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 64; ++i)
    EXPECT_EQ(outcome.words[i], i + 1);
  EXPECT_EQ(outcome.counters.bulkCopies, 1u);
  EXPECT_EQ(outcome.counters.asyncCopies, 0u);
  EXPECT_EQ(outcome.counters.globalBytesRead, 256u);
  EXPECT_EQ(outcome.counters.globalSectorsRead, 8u);
}

TEST(BulkCopies, areThereForThoseWhoWaited) {
  EXPECT_THAT(run(copy("", ""), withThreads(32)).error,
              HasSubstr("read after write: warp 0 lane 0 and the asynchronous "
                        "proxy"));
  // One warp waits for both; a barrier of the CTA tells the other.
  std::string first =
      "setp.ge.u32 %p2, %tid, 32; @%p2 bra LATER;" + kWait + "LATER: ";
  EXPECT_THAT(run(copy("", first), withThreads(64)).error,
              HasSubstr("the asynchronous proxy"));
  EXPECT_EQ(run(copy("", first + "bar.sync 0;"), withThreads(64)).error, "");
}

TEST(BulkCopies, deliverWhenThePhaseEnds) {
  // Two arrivals are needed, the second of which never comes.
  EXPECT_THAT(run(copy("", kWait, "512"), withThreads(32)).error,
              HasSubstr("512 bytes expected and 256 copied"));
  EXPECT_THAT(
      run(copy("", "ld.shared.u32 %r3, [%r1];", "512"), withThreads(32)).error,
      HasSubstr("read of an unfinished copy"));
  EXPECT_THAT(run(withBarrier(1) +
                      "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::"
                      "complete_tx::bytes [%r9], [%in], 256, [%r10]; ret;",
                  withThreads(32))
                  .error,
              HasSubstr("the CTA ends before the copy"));
}

TEST(BulkCopies, needAFenceBehindOtherWrites) {
  std::string write = "st.shared.u32 [%r9], 1;";
  EXPECT_THAT(run(copy(write, kWait), withThreads(32)).error,
              HasSubstr("without fence.proxy.async"));
  EXPECT_EQ(
      run(copy(write + "fence.proxy.async;", kWait), withThreads(32)).error,
      "");
  // Whose fence it is does not matter if it is told of.
  std::string byOthers =
      kNames + "setp.eq.u32 %p3, %tid, 32; @%p3 st.shared.u32 [%r9], 1;" +
      "FENCE " + withBarrier(1) + "@!%p1 bra WAIT;" +
      "mbarrier.arrive.expect_tx.shared.b64 %rd1, [%r10], 256;"
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%r9], [%in], 256, [%r10]; WAIT: " +
      kWait + "ret;";
  auto with = [&](const std::string &fence) {
    std::string body = byOthers;
    body.replace(body.find("FENCE"), 5, fence);
    return run(body, withThreads(64)).error;
  };
  EXPECT_EQ(with("fence.proxy.async.shared::cta;"), "");
  EXPECT_THAT(with(""), HasSubstr("without fence.proxy.async"));
}

TEST(BulkCopies, needAnMbarrierTheyKnowOf) {
  std::string body = copy("", kWait);
  std::string fence = "fence.proxy.async.shared::cta;";
  size_t at = body.find(fence);
  std::string init = body;
  init.replace(at, fence.size(), "fence.mbarrier_init.release.cluster;");
  EXPECT_EQ(run(init, withThreads(32)).error, "");
  body.erase(at, fence.size());
  EXPECT_THAT(run(body, withThreads(32)).error,
              HasSubstr("does not know of the mbarrier's initialisation"));
}

TEST(BulkCopies, areCheckedForBounds) {
  Environment environment = withThreads(32);
  environment.in.resize(63);
  EXPECT_THAT(run(copy("", kWait), environment).error,
              HasSubstr("pass the end of 'in'"));
  environment = withThreads(32);
  std::string body = copy("add.u32 %r9, %r9, 8;", kWait);
  EXPECT_THAT(run(body, environment).error, HasSubstr("multiples of 16"));
}

/// A map of the words of `in` as rows of 8 bf16 more than a box has, and what a
/// box at (row, column) puts at each pair of bytes.
Outcome runTensor(const MatrixMap &shape, int row, int column,
                  const std::string &to = "%r9") {
  std::string head;
  std::string body =
      withBarrier(1) +
      "@!%p1 bra WAIT; mbarrier.arrive.expect_tx.shared.b64 %rd1, [%r10], " +
      std::to_string(shape.boxRows * shape.boxColumns * 2) +
      "; cvta.global.u64 %rd2, %in; mov.u32 %r5, " + std::to_string(column) +
      "; mov.u32 %r6, " + std::to_string(row) +
      "; cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::"
      "complete_tx::bytes [" +
      to + "], [%rd2, {%r5, %r6}], [%r10]; WAIT: " + kWait +
      // All of it, a word at a time.
      "mov.u32 %r7, 0; COPY: mad.lo.u32 %r8, %r7, 128, %r1;"
      "ld.shared.u32 %r3, [%r8]; mul.wide.u32 %rd3, %r7, 128;"
      "mul.wide.u32 %rd4, %tid, 4; add.s64 %rd3, %rd3, %rd4;"
      "add.s64 %rd3, %rd3, %out; st.global.b32 [%rd3], %r3;"
      "add.u32 %r7, %r7, 1; setp.lt.u32 %p2, %r7, " +
      std::to_string(shape.boxRows * shape.boxColumns * 2 / 128) +
      "; @%p2 bra COPY; ret;";
  // The map lies before the matrix; both are `in`.
  auto program = Program::create(makeKernel(body, Environment()));
  Outcome outcome;
  if (!program) {
    outcome.error = llvm::toString(program.takeError());
    return outcome;
  }
  GlobalMemory memory;
  auto *map =
      static_cast<unsigned char *>(llvm::cantFail(memory.allocate(128, "map")));
  MatrixMap placed = shape;
  auto *matrix = static_cast<uint16_t *>(
      llvm::cantFail(memory.allocate(shape.rows * shape.rowBytes, "matrix")));
  for (uint64_t r = 0; r < shape.rows; ++r)
    for (uint64_t c = 0; c < shape.columns; ++c)
      matrix[r * shape.rowBytes / 2 + c] = 256 * r + c + 1;
  placed.address = reinterpret_cast<uintptr_t>(matrix);
  auto bytes = encodeTensorMap(placed);
  if (!bytes) {
    outcome.error = llvm::toString(bytes.takeError());
    return outcome;
  }
  std::memcpy(map, bytes->data(), bytes->size());
  void *out = llvm::cantFail(memory.allocate(4096, "out"));
  Launch launch;
  launch.kernel = "k";
  launch.block.x = 32;
  launch.sharedBytes = 4096;
  launch.parameters = {&map, &out};
  auto counters = (*program)->launch(launch, memory);
  if (!counters)
    outcome.error = llvm::toString(counters.takeError());
  else
    outcome.counters = *counters;
  outcome.words.resize(1024);
  std::memcpy(outcome.words.data(), out, 4096);
  return outcome;
}

MatrixMap matrixOf(uint64_t rows, uint64_t columns, uint32_t boxRows,
                   uint32_t boxColumns, Swizzle swizzle) {
  MatrixMap map;
  map.rows = rows;
  map.columns = columns;
  map.rowBytes = (columns * 2 + 15) / 16 * 16;
  map.boxRows = boxRows;
  map.boxColumns = boxColumns;
  map.swizzle = swizzle;
  return map;
}

/// Element (row, column) of a box, by the rule: chunk c of 16 bytes lies where
/// the address bits from bit 7 on say.
uint16_t elementOf(const Outcome &outcome, const MatrixMap &map, uint32_t row,
                   uint32_t column) {
  uint32_t byte = (row * map.boxColumns + column) * 2;
  uint32_t mask = map.swizzle == Swizzle::Bytes128  ? 7
                  : map.swizzle == Swizzle::Bytes64 ? 3
                  : map.swizzle == Swizzle::Bytes32 ? 1
                                                    : 0;
  byte ^= (byte / 128 & mask) * 16;
  return outcome.words[byte / 4] >> (byte % 4 * 8);
}

TEST(TensorMaps, bringBoxesSwizzled) {
  for (MatrixMap map : {matrixOf(20, 96, 16, 64, Swizzle::Bytes128),
                        matrixOf(20, 96, 16, 32, Swizzle::Bytes64),
                        matrixOf(20, 96, 16, 16, Swizzle::Bytes32),
                        matrixOf(20, 96, 16, 64, Swizzle::None)}) {
    Outcome outcome = runTensor(map, 2, 16);
    ASSERT_EQ(outcome.error, "");
    for (uint32_t r = 0; r < map.boxRows; ++r)
      for (uint32_t c = 0; c < map.boxColumns; ++c)
        EXPECT_EQ(elementOf(outcome, map, r, c), 256 * (r + 2) + c + 16 + 1);
  }
}

TEST(TensorMaps, fillWithZerosOutside) {
  MatrixMap map = matrixOf(10, 40, 16, 64, Swizzle::Bytes128);
  for (auto [row, column] : {std::pair(0, 0), {3, 8}, {-3, -8}, {20, 0}}) {
    Outcome outcome = runTensor(map, row, column);
    ASSERT_EQ(outcome.error, "");
    for (int r = 0; r < 16; ++r)
      for (int c = 0; c < 64; ++c) {
        bool isInside =
            r + row >= 0 && r + row < 10 && c + column >= 0 && c + column < 40;
        EXPECT_EQ(elementOf(outcome, map, r, c),
                  isInside ? 256 * (r + row) + c + column + 1 : 0);
      }
  }
}

TEST(TensorMaps, refuseWhatADriverRefuses) {
  auto error = [](MatrixMap map) {
    map.address = 256;
    auto bytes = encodeTensorMap(map);
    return bytes ? std::string() : llvm::toString(bytes.takeError());
  };
  MatrixMap good = matrixOf(10, 40, 16, 64, Swizzle::Bytes128);
  EXPECT_EQ(error(good), "");
  MatrixMap map = good;
  map.rowBytes = 88;
  EXPECT_THAT(error(map), HasSubstr("multiples of 16"));
  map = good;
  map.boxRows = 257;
  EXPECT_THAT(error(map), HasSubstr("1 to 256 rows"));
  map = good;
  map.boxColumns = 128;
  EXPECT_THAT(error(map), HasSubstr("as long as their swizzle"));
  map = good;
  map.columns = 41;
  EXPECT_THAT(error(map), HasSubstr("does not fit rows"));
  map = good;
  map.elementBytes = 3;
  EXPECT_THAT(error(map), HasSubstr("1, 2, 4 or 8 bytes"));
  TensorMapBytes zeros{};
  auto decoded = decodeTensorMap(zeros);
  ASSERT_FALSE(bool(decoded));
  EXPECT_THAT(llvm::toString(decoded.takeError()), HasSubstr("no tensor map"));
}

TEST(TensorMaps, goToMultiplesOf128Bytes) {
  EXPECT_THAT(
      runTensor(matrixOf(20, 96, 16, 64, Swizzle::Bytes128), 0, 0, "%r9+64")
          .error,
      HasSubstr("expected a multiple of 128"));
}

TEST(Elections, chooseTheFirstLane) {
  Outcome outcome = run("setp.lt.u32 %p1, %tid, 5; @%p1 bra DONE;"
                        "elect.sync %r2|%p2, 0xffffffe0;"
                        "selp.u32 %r3, 100, 200, %p2; add.u32 %r3, %r3, %r2;" +
                        storeWord("%r3") + "DONE: ret;");
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[5], 105u);
  EXPECT_EQ(outcome.words[6], 205u);
}

} // namespace
