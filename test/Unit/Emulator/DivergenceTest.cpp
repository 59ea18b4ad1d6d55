// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lanes that part and meet again.

#include "EmulatorTesting.h"

using namespace flow::emulator;
using namespace flow::emulator::testing;
using ::testing::HasSubstr;

namespace {

TEST(Divergence, bothSidesOfAnIf) {
  Outcome outcome = run("and.b32 %r1, %tid, 1; setp.eq.b32 %p1, %r1, 0;"
                        "@%p1 bra EVEN; mov.u32 %r2, 100; bra JOIN;"
                        "EVEN: mov.u32 %r2, 200; JOIN:"
                        "add.u32 %r2, %r2, %tid;" +
                        storeWord("%r2") + "ret;");
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(outcome.words[i], (i % 2 ? 100 : 200) + i);
  EXPECT_EQ(outcome.counters.divergentBranches, 1u);
}

TEST(Divergence, aBranchThatAllTakeIsNone) {
  Outcome outcome = run("setp.lt.u32 %p1, %tid, 32; @%p1 bra ALL;"
                        "trap; ALL: mov.u32 %r2, 7;" +
                        storeWord("%r2") + "ret;");
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[31], 7u);
  EXPECT_EQ(outcome.counters.divergentBranches, 0u);
}

/// The length of the Collatz sequence: each lane takes its own number of turns,
/// with an if inside.
TEST(Divergence, loopsOfDifferentLength) {
  Environment environment;
  for (uint32_t i = 0; i < 64; ++i)
    environment.in[i] = i + 1;
  environment.threads = 64;
  Outcome outcome =
      run("mul.wide.u32 %rd1, %tid, 4; add.s64 %rd1, %in, %rd1;"
          "ld.global.u32 %r1, [%rd1]; mov.u32 %r2, 0;"
          "LOOP: setp.eq.u32 %p1, %r1, 1; @%p1 bra DONE;"
          "and.b32 %r3, %r1, 1; setp.eq.u32 %p2, %r3, 0; @%p2 bra EVEN;"
          "mad.lo.u32 %r1, %r1, 3, 1; bra NEXT;"
          "EVEN: shr.u32 %r1, %r1, 1;"
          "NEXT: add.u32 %r2, %r2, 1; bra LOOP;"
          "DONE: bar.warp.sync 0xffffffff;" +
              storeWord("%r2") + "ret;",
          environment);
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 64; ++i) {
    uint32_t steps = 0;
    for (uint32_t value = i + 1; value != 1; ++steps)
      value = value % 2 ? 3 * value + 1 : value / 2;
    EXPECT_EQ(outcome.words[i], steps) << i + 1;
  }
}

/// A value of the loop that is used behind it must be that of the lane's own
/// last turn, though others go on.
TEST(Divergence, valuesOfALoopStayWithTheirLane) {
  Outcome outcome = run("mov.u32 %r1, 0;"
                        "LOOP: mad.lo.u32 %r2, %r1, 10, 3;"
                        "add.u32 %r1, %r1, 1;"
                        "setp.le.u32 %p1, %r1, %tid; @%p1 bra LOOP;" +
                        storeWord("%r2") + "ret;");
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(outcome.words[i], i * 10 + 3);
}

TEST(Divergence, nestedLoopsMeetAtTheInnerEnd) {
  // In the inner loop lanes part; the shuffle behind it needs them all.
  Outcome outcome =
      run("mov.u32 %r1, 0; mov.u32 %r2, 0;"
          "OUTER: mov.u32 %r3, 0;"
          "INNER: setp.ge.u32 %p1, %r3, %tid; @%p1 bra INNER_END;"
          "add.u32 %r3, %r3, 1; bra INNER;"
          "INNER_END: shfl.sync.bfly.b32 %r4, %r3, 1, 31, 0xffffffff;"
          "add.u32 %r2, %r2, %r4; add.u32 %r1, %r1, 1;"
          "setp.lt.u32 %p2, %r1, 3; @%p2 bra OUTER;" +
          storeWord("%r2") + "ret;");
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(outcome.words[i], 3 * (i ^ 1));
}

TEST(Divergence, loopsWithinMaskedCode) {
  // The outer branch parts lanes; both sides loop, and meet at its end.
  Outcome outcome =
      run("setp.lt.u32 %p1, %tid, 10; mov.u32 %r2, 0; mov.u32 %r1, 0;"
          "@%p1 bra LOW;"
          "HIGH: add.u32 %r2, %r2, 2; add.u32 %r1, %r1, 1;"
          "setp.lt.u32 %p2, %r1, 5; @%p2 bra HIGH; bra JOIN;"
          "LOW: add.u32 %r2, %r2, 3; add.u32 %r1, %r1, 1;"
          "setp.lt.u32 %p2, %r1, 4; @%p2 bra LOW;"
          "JOIN: shfl.sync.idx.b32 %r3, %r2, 0, 31, 0xffffffff;"
          "mad.lo.u32 %r2, %r3, 100, %r2;" +
          storeWord("%r2") + "ret;");
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(outcome.words[i], 1200u + (i < 10 ? 12 : 10));
}

TEST(Divergence, earlyReturn) {
  for (const char *leave : {"@%p1 ret;", "@%p1 exit;", "@!%p1 bra ON; ret; ON:",
                            "@%p1 bra OUT; bra ON; OUT: ret; ON:"}) {
    Outcome outcome =
        run(std::string("setp.ge.u32 %p1, %tid, 20; mov.u32 %r1, 5;") + leave +
            storeWord("%r1") + "ret;");
    ASSERT_EQ(outcome.error, "") << leave;
    for (uint32_t i = 0; i < 32; ++i)
      EXPECT_EQ(outcome.words[i], i < 20 ? 5u : 0u) << leave;
  }
}

TEST(Divergence, theLastWarpMayLackLanes) {
  Environment environment;
  environment.threads = 40;
  Outcome outcome =
      run("activemask.b32 %r1;" + storeWord("%r1") + "ret;", environment);
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[0], ~0u);
  EXPECT_EQ(outcome.words[39], 0xffu);
  EXPECT_EQ(outcome.words[40], 0u);
  EXPECT_EQ(outcome.counters.threadInstructions,
            outcome.counters.instructions / 2 * 40);
}

TEST(Divergence, guardsKeepWhatWasThere) {
  Outcome outcome =
      run("mov.u32 %r1, 1; setp.gt.u32 %p1, %tid, 15; @%p1 mov.u32 %r1, 2;"
          "@!%p1 add.u32 %r1, %r1, 10;" +
          storeWord("%r1") + "ret;");
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[15], 11u);
  EXPECT_EQ(outcome.words[16], 2u);
  // A guard that is the same for all.
  outcome = run("mov.u32 %r2, %ntid.x; setp.eq.u32 %p1, %r2, 32;"
                "mov.u32 %r1, 1; @%p1 mov.u32 %r1, 3; @!%p1 mov.u32 %r1, 4;" +
                storeWord("%r1") + "ret;");
  EXPECT_EQ(outcome.words[3], 3u);
}

/// In blocks of one dimension, %tid.x >> 5 is the same for the whole warp: a
/// branch on it parts nobody.
TEST(Divergence, theNumberOfTheWarpIsUniform) {
  Environment environment;
  environment.threads = 64;
  environment.bounds = ".maxntid 64, 1, 1";
  Outcome outcome =
      run("shr.u32 %r1, %tid, 5; setp.eq.u32 %p1, %r1, 0;"
          "mov.u32 %r2, 10; @%p1 bra FIRST; mov.u32 %r2, 20;"
          "FIRST: and.b32 %r3, %tid, -32; add.u32 %r2, %r2, %r3;" +
              storeWord("%r2") + "ret;",
          environment);
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 64; ++i)
    EXPECT_EQ(outcome.words[i], i < 32 ? 10u : 52u);
  // Where lane 0 is elsewhere its number must be right all the same.
  outcome = run("setp.gt.u32 %p1, %tid, 40; mov.u32 %r4, 7; @!%p1 bra JOIN;"
                "mov.u32 %r5, %tid.x; shr.u32 %r4, %r5, 5;"
                "JOIN:" +
                    storeWord("%r4") + "ret;",
                environment);
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[40], 7u);
  EXPECT_EQ(outcome.words[41], 1u);
}

TEST(Divergence, shuffles) {
  auto shuffle = [](const std::string &text) {
    Outcome outcome = run("add.u32 %r1, %tid, 1000; mov.u32 %r4, 1;" + text +
                          "selp.u32 %r3, 1, 0, %p1; mad.lo.u32 %r2, %r3, "
                          "100000, %r2;" +
                          storeWord("%r2") + "ret;");
    EXPECT_EQ(outcome.error, "") << text;
    return outcome.words;
  };
  std::vector<uint32_t> down =
      shuffle("shfl.sync.down.b32 %r2|%p1, %r1, 4, 31, -1;");
  std::vector<uint32_t> up =
      shuffle("shfl.sync.up.b32 %r2|%p1, %r1, %r4, 0, -1;");
  // Segments of eight lanes: the mask is 24.
  std::vector<uint32_t> index =
      shuffle("shfl.sync.idx.b32 %r2|%p1, %r1, 3, 0x181f, -1;");
  for (uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(down[i], i < 28 ? 101004 + i : 1000 + i);
    EXPECT_EQ(up[i], i > 0 ? 100999 + i : 1000 + i);
    EXPECT_EQ(index[i], 101000 + (i & 24) + 3);
  }
}

TEST(Divergence, shufflesOnlyFromThoseWhoAreThere) {
  Outcome outcome = run("setp.lt.u32 %p1, %tid, 16; @!%p1 bra DONE;"
                        "shfl.sync.bfly.b32 %r1, %tid, 1, 31, 0xffff;"
                        "DONE: mov.u32 %r8, 0; ret;");
  EXPECT_EQ(outcome.error, "");
  outcome = run("setp.lt.u32 %p1, %tid, 16; @!%p1 bra DONE;"
                "shfl.sync.bfly.b32 %r1, %tid, 16, 31, 0xffff; DONE: mov.u32 "
                "%r8, 0; ret;");
  EXPECT_THAT(outcome.error, HasSubstr("lane 0 reads lane 16"));
  outcome = run("setp.lt.u32 %p1, %tid, 16; @!%p1 bra DONE;"
                "shfl.sync.bfly.b32 %r1, %tid, 1, 31, 0xffffffff; DONE: "
                "mov.u32 %r8, 0; ret;");
  EXPECT_THAT(outcome.error, HasSubstr("names the lanes 0xFFFFFFFF"));
}

TEST(Divergence, votes) {
  Outcome outcome =
      run("setp.lt.u32 %p1, %tid, 5; vote.sync.ballot.b32 %r1, %p1, -1;"
          "vote.sync.any.pred %p2, %p1, -1; vote.sync.all.pred %p3, %p1, -1;"
          "vote.sync.all.pred %p4, !%p1, -1; vote.sync.uni.pred %p5, %p1, -1;"
          "selp.u32 %r2, 0x100, 0, %p2; or.b32 %r1, %r1, %r2;"
          "selp.u32 %r2, 0x200, 0, %p3; or.b32 %r1, %r1, %r2;"
          "selp.u32 %r2, 0x400, 0, %p4; or.b32 %r1, %r1, %r2;"
          "selp.u32 %r2, 0x800, 0, %p5; or.b32 %r1, %r1, %r2;" +
          storeWord("%r1") + "ret;");
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[0], 0x11fu);
  EXPECT_EQ(outcome.words[31], 0x11fu);
}

TEST(Divergence, reductions) {
  auto reduce = [](const std::string &kind) {
    // -16 to 15 by lane.
    Outcome outcome = run("sub.u32 %r1, %tid, 16; redux.sync." + kind +
                          " %r2, %r1, -1;" + storeWord("%r2") + "ret;");
    EXPECT_EQ(outcome.error, "") << kind;
    EXPECT_EQ(outcome.words[0], outcome.words[31]) << kind;
    return outcome.words[0];
  };
  EXPECT_EQ(reduce("add.s32"), uint32_t(-16));
  EXPECT_EQ(reduce("min.s32"), uint32_t(-16));
  EXPECT_EQ(reduce("max.s32"), 15u);
  EXPECT_EQ(reduce("min.u32"), 0u);
  EXPECT_EQ(reduce("max.u32"), uint32_t(-1));
  EXPECT_EQ(reduce("and.b32"), 0u);
  EXPECT_EQ(reduce("or.b32"), uint32_t(-1));
  EXPECT_EQ(reduce("xor.b32"), 0u);
  EXPECT_THAT(run("redux.sync.and.u32 %r1, %tid, -1; ret;").error,
              HasSubstr("is not supported"));
}

/// Each half of a warp has its own sum, in code that not all lanes run.
TEST(Divergence, reductionsOfThoseWhoAreThere) {
  Outcome outcome =
      run("mov.u32 %r2, 7; setp.lt.u32 %p1, %tid, 16; @!%p1 bra DONE;"
          "redux.sync.add.u32 %r2, %tid, 0xffff;"
          "DONE: bar.warp.sync -1;" +
          storeWord("%r2") + "ret;");
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[0], 120u);
  EXPECT_EQ(outcome.words[15], 120u);
  EXPECT_EQ(outcome.words[16], 7u);
  outcome = run("setp.lt.u32 %p1, %tid, 16; @!%p1 bra DONE;"
                "redux.sync.add.u32 %r2, %tid, -1;"
                "DONE: mov.u32 %r8, 0; ret;");
  EXPECT_THAT(outcome.error, HasSubstr("names the lanes 0xFFFFFFFF"));
}

TEST(Divergence, matches) {
  Outcome outcome = run("shr.u32 %r1, %tid, 3; match.any.sync.b32 %r2, %r1, -1;"
                        "cvt.u64.u32 %rd1, %r1; shl.b64 %rd1, %rd1, 40;"
                        "match.any.sync.b64 %r3, %rd1, -1;"
                        "xor.b32 %r2, %r2, %r3; add.u32 %r2, %r2, %r3;" +
                        storeWord("%r2") + "ret;");
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(outcome.words[i], 0xffu << (i & 24));
  auto all = [](const std::string &value) {
    Outcome outcome = run(value +
                          "match.all.sync.b32 %r2|%p1, %r1, -1;"
                          "selp.u32 %r3, 1, 0, %p1;"
                          "xor.b32 %r2, %r2, %r3;" +
                          storeWord("%r2") + "ret;");
    EXPECT_EQ(outcome.error, "");
    return outcome.words[9];
  };
  EXPECT_EQ(all("mov.u32 %r1, 5;"), 0xfffffffeu);
  EXPECT_EQ(all("shr.u32 %r1, %tid, 4;"), 0u);
}

} // namespace
