// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Barriers, and copies that are on their way.

#include "EmulatorTesting.h"

using namespace flow::emulator;
using namespace flow::emulator::testing;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {

/// %r1 is the address of the thread's own word in shared memory.
const std::string kOwnWord = "mov.u32 %r9, smem; mad.lo.u32 %r1, %tid, 4, %r9;";

Environment withThreads(uint32_t threads, uint32_t sharedBytes = 4096) {
  Environment environment;
  environment.threads = threads;
  environment.sharedBytes = sharedBytes;
  return environment;
}

/// Each thread reads what the one 32 places on wrote.
std::string exchange(const std::string &synchronize) {
  return kOwnWord + "st.shared.u32 [%r1], %tid;" + synchronize +
         "add.u32 %r2, %tid, 32; and.b32 %r2, %r2, 127;"
         "mad.lo.u32 %r2, %r2, 4, %r9; ld.shared.u32 %r3, [%r2];" +
         storeWord("%r3") + "ret;";
}

TEST(Synchronization, aBarrierMakesWritesVisible) {
  Outcome outcome = run(exchange("bar.sync 0;"), withThreads(128));
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 128; ++i)
    EXPECT_EQ(outcome.words[i], (i + 32) % 128);
  EXPECT_EQ(outcome.counters.barriers, 4u);
  EXPECT_EQ(
      run(exchange("barrier.cta.sync.aligned 3, 128;"), withThreads(128)).error,
      "");
}

TEST(Synchronization, namedBarriersJoinThoseWhoNameThem) {
  // Warps 0 and 1 meet at barrier 1, 2 and 3 at barrier 2.
  std::string meet = "shr.u32 %r5, %tid, 6; add.u32 %r5, %r5, 1;"
                     "bar.sync %r5, 64;";
  std::string within = kOwnWord + "st.shared.u32 [%r1], %tid;" + meet +
                       "xor.b32 %r2, %tid, 32; mad.lo.u32 %r2, %r2, 4, %r9;"
                       "ld.shared.u32 %r3, [%r2];" +
                       storeWord("%r3") + "ret;";
  Outcome outcome = run(within, withThreads(128));
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 128; ++i)
    EXPECT_EQ(outcome.words[i], i ^ 32);
  // It tells nothing of the other two.
  outcome = run(exchange(meet), withThreads(128));
  EXPECT_THAT(outcome.error, HasSubstr("read"));
}

TEST(Synchronization, whoArrivesDoesNotWait) {
  // Warp 0 produces and goes on, warp 1 waits for it.
  std::string body =
      kOwnWord +
      "shr.u32 %r5, %tid, 5; setp.eq.u32 %p1, %r5, 0; @!%p1 bra CONSUME;"
      "st.shared.u32 [%r1], %tid; bar.arrive 1, 64; ret;"
      "CONSUME: bar.sync 1, 64; ld.shared.u32 %r3, [%r1+-128];" +
      storeWord("%r3") + "ret;";
  Outcome outcome = run(body, withThreads(64));
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[40], 8u);
}

TEST(Synchronization, thoseWhoExitedAreNotWaitedFor) {
  Outcome outcome = run("setp.ge.u32 %p1, %tid, 32; @%p1 ret; bar.sync 0;"
                        "mov.u32 %r1, 1;" +
                            storeWord("%r1") + "ret;",
                        withThreads(128));
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[0], 1u);
}

TEST(Synchronization, deadlockIsAnError) {
  Outcome outcome =
      run("shr.u32 %r5, %tid, 5; add.u32 %r5, %r5, 1; bar.sync %r5, 64; ret;",
          withThreads(64));
  EXPECT_THAT(outcome.error,
              AllOf(HasSubstr("deadlock: barrier 1 has 32 of 64 threads"),
                    HasSubstr("warp 1 at barrier 2"),
                    HasSubstr("'bar.sync %r5, 64'")));
}

TEST(Synchronization, barriersAreForWholeWarps) {
  Outcome outcome = run("setp.lt.u32 %p1, %tid, 16; @!%p1 bra DONE;"
                        "bar.sync 0; DONE: mov.u32 %r8, 0; ret;");
  EXPECT_THAT(outcome.error, HasSubstr("barrier reached by part of a warp"));
  outcome =
      run("setp.lt.u32 %p1, %tid, 16; @%p1 bar.sync 0; mov.u32 %r8, 0; ret;");
  EXPECT_THAT(outcome.error, HasSubstr("barrier reached by part of a warp"));
  EXPECT_EQ(run("mov.u32 %r1, %ntid.x; setp.eq.u32 %p1, %r1, 32;"
                "@%p1 bar.sync 0; ret;")
                .error,
            "");
}

TEST(Synchronization, barriersOfOtherSizesAreErrors) {
  EXPECT_THAT(run("bar.sync 0, 48; ret;", withThreads(64)).error,
              HasSubstr("multiple of 32"));
  EXPECT_THAT(run("bar.sync 16; ret;").error, HasSubstr("there are 16"));
  EXPECT_THAT(run("mov.u32 %r1, %laneid; bar.sync %r1, 32; ret;").error,
              HasSubstr("different barriers"));
}

TEST(Synchronization, barriersInALoopKeepRegisters) {
  // What each thread holds must outlive its waiting.
  Outcome outcome =
      run(kOwnWord +
              "mov.u32 %r2, 0; mov.u32 %r3, %tid; mov.f32 %f1, 0f3f800000;"
              "LOOP: st.shared.u32 [%r1], %r3; bar.sync 0;"
              "xor.b32 %r4, %tid, 63; mad.lo.u32 %r4, %r4, 4, %r9;"
              "ld.shared.u32 %r3, [%r4]; add.f32 %f1, %f1, %f1;"
              "bar.sync 0; add.u32 %r2, %r2, 1;"
              "setp.lt.u32 %p1, %r2, 3; @%p1 bra LOOP;"
              "cvt.rzi.u32.f32 %r5, %f1; mad.lo.u32 %r3, %r5, 1000, %r3;" +
              storeWord("%r3") + "ret;",
          withThreads(64));
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 64; ++i)
    EXPECT_EQ(outcome.words[i], 8000 + (i ^ 63));
}

/// Copies the thread's 16 bytes of `in` to shared memory, does `wait`, and
/// reads the first word back.
std::string copy(const std::string &wait, const std::string &size = "") {
  return "mov.u32 %r9, smem; mad.lo.u32 %r1, %tid, 16, %r9;"
         "mul.wide.u32 %rd1, %tid, 16; add.s64 %rd1, %in, %rd1;"
         "cp.async.cg.shared.global [%r1], [%rd1], 16" +
         size + ";" + wait + "ld.shared.u32 %r3, [%r1];" + storeWord("%r3") +
         "ret;";
}

Environment withNumbers() {
  Environment environment = withThreads(32);
  for (size_t i = 0; i < environment.in.size(); ++i)
    environment.in[i] = i + 1;
  return environment;
}

TEST(AsyncCopies, areThereWhenTheyWereWaitedFor) {
  for (const char *wait : {"cp.async.commit_group; cp.async.wait_group 0;",
                           "cp.async.wait_all;"}) {
    Outcome outcome = run(copy(wait), withNumbers());
    ASSERT_EQ(outcome.error, "") << wait;
    for (uint32_t i = 0; i < 32; ++i)
      EXPECT_EQ(outcome.words[i], 4 * i + 1);
    EXPECT_EQ(outcome.counters.asyncCopies, 1u);
    EXPECT_EQ(outcome.counters.globalBytesRead, 512u);
  }
}

TEST(AsyncCopies, areUnfinishedUntilThen) {
  for (const char *wait : {"", "cp.async.commit_group;",
                           "cp.async.wait_group 0;", // not committed
                           "cp.async.commit_group; cp.async.wait_group 1;"})
    EXPECT_THAT(
        run(copy(wait), withNumbers()).error,
        HasSubstr("read of an unfinished copy: warp 0 lane 0 and warp 0 "
                  "lane 0 at shared byte 0, which nobody has waited "
                  "for"))
        << wait;
  EXPECT_THAT(run(copy("st.shared.u32 [%r1], 0;"), withNumbers()).error,
              HasSubstr("write over an unfinished copy"));
  // A barrier does not finish them.
  EXPECT_THAT(
      run(copy("cp.async.commit_group; bar.sync 0;"), withNumbers()).error,
      HasSubstr("read of an unfinished copy"));
}

TEST(AsyncCopies, groupsFinishInOrder) {
  std::string two = "cp.async.commit_group;"
                    "cp.async.ca.shared.global [%r1+512], [%rd1+512], 8;"
                    "cp.async.commit_group; cp.async.wait_group 1;";
  EXPECT_EQ(run(copy(two), withNumbers()).error, "");
  EXPECT_THAT(
      run(copy(two + "ld.shared.u32 %r3, [%r1+512];"), withNumbers()).error,
      HasSubstr("read of an unfinished copy"));
}

TEST(AsyncCopies, fillWithZeros) {
  std::string read = "cp.async.wait_all; ld.shared.v4.u32 "
                     "{%r4, %r5, %r6, %r7}, [%r1]; add.u32 %r4, %r5, %r6;"
                     "st.shared.u32 [%r1], %r4;";
  Outcome outcome = run(copy(read, ", 8"), withNumbers());
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[1], 6u); // 6 + 0
  EXPECT_EQ(outcome.counters.globalBytesRead, 32u * 8);
  // What is not read need not be there.
  Environment environment = withNumbers();
  environment.in.resize(2);
  outcome = run(copy("cp.async.wait_all;", ", 0"), environment);
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[31], 0u);
  outcome = run(copy("cp.async.wait_all;"), environment);
  EXPECT_THAT(outcome.error, HasSubstr("passes the end of 'in' (8 bytes)"));
  EXPECT_THAT(run(copy("", ", 17"), withNumbers()).error,
              HasSubstr("larger than the 16 bytes of the copy"));
}

TEST(AsyncCopies, areForTheLaneThatWaited) {
  // The neighbour's bytes need a synchronisation of the warp.
  std::string neighbour = "xor.b32 %r2, %tid, 1; mad.lo.u32 %r2, %r2, 16, %r9;"
                          "ld.shared.u32 %r4, [%r2];";
  EXPECT_THAT(run(copy("cp.async.wait_all;" + neighbour), withNumbers()).error,
              HasSubstr("read after write: warp 0 lane 0 and warp 0 lane 1"));
  EXPECT_EQ(run(copy("cp.async.wait_all; bar.warp.sync -1;" + neighbour),
                withNumbers())
                .error,
            "");
}

} // namespace
