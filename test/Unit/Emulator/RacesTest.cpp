// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What nothing orders is an error, however this run came out.

#include "EmulatorTesting.h"

using namespace flow::emulator;
using namespace flow::emulator::testing;
using ::testing::HasSubstr;

namespace {

/// %r1 is the address of the thread's own word.
std::string errorOf(const std::string &body, uint32_t threads = 64) {
  Environment environment;
  environment.threads = threads;
  environment.sharedBytes = 1024;
  return run("mov.u32 %r9, smem; mad.lo.u32 %r1, %tid, 4, %r9;" + body + "ret;",
             environment)
      .error;
}

// The other warp's word.
const std::string kOther =
    "xor.b32 %r2, %tid, 32; mad.lo.u32 %r2, %r2, 4, %r9;";
// The neighbour's.
const std::string kNeighbour =
    "xor.b32 %r2, %tid, 1; mad.lo.u32 %r2, %r2, 4, %r9;";

TEST(Races, readAfterWrite) {
  // Warp 0 runs first, and what it reads is not there yet; warp 1 finds what
  // warp 0 wrote, which is no better.
  EXPECT_THAT(errorOf("setp.lt.u32 %p1, %tid, 32;" + kOther +
                      "@%p1 st.shared.u32 [%r1], 1;"
                      "@!%p1 ld.shared.u32 %r3, [%r2];"),
              HasSubstr("read after write: warp 1 lane 0 and warp 0 lane 0 at "
                        "shared byte 0 with no barrier between"));
  EXPECT_EQ(errorOf("setp.lt.u32 %p1, %tid, 32;" + kOther +
                    "@%p1 st.shared.u32 [%r1], 1; bar.sync 0;"
                    "@!%p1 ld.shared.u32 %r3, [%r2];"),
            "");
}

TEST(Races, writeAfterRead) {
  // Warp 0 reads, warp 1 writes.
  std::string before = kOther + "st.shared.u32 [%r1], 1; bar.sync 0;"
                                "setp.lt.u32 %p1, %tid, 32;"
                                "@%p1 ld.shared.u32 %r3, [%r1];";
  EXPECT_THAT(errorOf(before + "@!%p1 st.shared.u32 [%r2], 2;"),
              HasSubstr("write after read: warp 1 lane 0 and warp 0"));
  EXPECT_EQ(errorOf(before + "bar.sync 0; @!%p1 st.shared.u32 [%r2], 2;"), "");
}

TEST(Races, writeAfterWrite) {
  EXPECT_THAT(errorOf(kOther + "st.shared.u32 [%r1], 1;"
                               "st.shared.u32 [%r2], 2;"),
              HasSubstr("write after write"));
  EXPECT_EQ(errorOf(kOther + "st.shared.u32 [%r1], 1; bar.sync 0;"
                             "st.shared.u32 [%r2], 2;"),
            "");
}

TEST(Races, lanesOfOneWarpAreParties) {
  std::string write = kNeighbour + "st.shared.u32 [%r1], %tid;";
  std::string read = "ld.shared.u32 %r3, [%r2];";
  EXPECT_THAT(errorOf(write + read, 32),
              HasSubstr("read after write: warp 0 lane 0 and warp 0 lane 1 at "
                        "shared byte 4 with no synchronisation between"));
  EXPECT_EQ(errorOf(write + "bar.warp.sync -1;" + read, 32), "");
  EXPECT_EQ(
      errorOf(write + "shfl.sync.bfly.b32 %r4, %tid, 1, 31, -1;" + read, 32),
      "");
  EXPECT_THAT(
      errorOf(write + "bar.warp.sync -1;" + read + "st.shared.u32 [%r1], 0;",
              32),
      HasSubstr("write after read: warp 0 lane 0 and warp 0 lane 1"));
  EXPECT_THAT(errorOf(write + "st.shared.u32 [%r2], 0;", 32),
              HasSubstr("write after write"));
  // A lane may do with its own word what it likes.
  EXPECT_EQ(errorOf("st.shared.u32 [%r1], 1; ld.shared.u32 %r3, [%r1];"
                    "st.shared.u32 [%r1], 2; ld.shared.u32 %r3, [%r1];",
                    32),
            "");
}

TEST(Races, neighboursAreNotTakenForOneAnother) {
  // Bytes and halves of one word, by lanes and by warps.
  EXPECT_EQ(errorOf("add.u32 %r2, %r9, %tid; cvt.u16.u32 %h1, %tid;"
                    "st.shared.u8 [%r2], %h1; ld.shared.u8 %h2, [%r2];"
                    "st.shared.u8 [%r2], %h2;"),
            "");
  // Warps write the two halves of the same words.
  EXPECT_EQ(errorOf("and.b32 %r2, %tid, 31; shr.u32 %r3, %tid, 5;"
                    "mad.lo.u32 %r2, %r2, 4, %r9; mad.lo.u32 %r2, %r3, 2, %r2;"
                    "mov.u16 %h1, 7; st.shared.u16 [%r2], %h1;"
                    "ld.shared.u16 %h2, [%r2];"),
            "");
}

TEST(Races, wholeLinesAndPartsOfThemAgree) {
  // 16 bytes at once, then words of them.
  std::string line = "mad.lo.u32 %r2, %tid, 16, %r9;"
                     "st.shared.v4.u32 [%r2], {%tid, %tid, %tid, %tid};";
  EXPECT_EQ(errorOf(line +
                    "ld.shared.u32 %r3, [%r2+4];"
                    "st.shared.u32 [%r2+8], %r3;" +
                    "ld.shared.v4.u32 {%r3, %r4, %r5, %r6}, [%r2];" + line),
            "");
  EXPECT_THAT(errorOf(line + "ld.shared.u32 %r3, [%r1+4];"),
              HasSubstr("read after write"));
  EXPECT_THAT(errorOf(line + "bar.sync 0; ld.shared.u32 %r3, [%r1];" + line),
              HasSubstr("write after read"));
}

TEST(Races, uninitialisedBytes) {
  EXPECT_THAT(errorOf("ld.shared.u32 %r3, [%r1];"),
              HasSubstr("nothing was written to"));
  EXPECT_THAT(errorOf("mov.u16 %h1, 1; st.shared.u16 [%r1], %h1;"
                      "ld.shared.u32 %r3, [%r1];"),
              HasSubstr("nothing was written to: warp 0 lane 0 at shared byte "
                        "2"));
}

TEST(Races, volatileAccessesDoNotRaceWithOneAnother) {
  std::string prologue = kNeighbour + "st.volatile.shared.u32 [%r1], %tid;";
  EXPECT_EQ(errorOf(prologue + "ld.volatile.shared.u32 %r3, [%r2];", 32), "");
  EXPECT_THAT(errorOf(prologue + "ld.shared.u32 %r3, [%r2];", 32),
              HasSubstr("read after write"));
}

TEST(Races, atomicsDoNotRaceWithOneAnother) {
  std::string zero = "setp.eq.u32 %p1, %tid, 0; @%p1 st.shared.u32 [%r9], 0;"
                     "bar.sync 0;";
  EXPECT_EQ(errorOf(zero + "atom.shared.add.u32 %r3, [%r9], 1; bar.sync 0;"
                           "ld.shared.u32 %r4, [%r9];"
                           "setp.ne.u32 %p2, %r4, 64; @%p2 trap;"),
            "");
  EXPECT_THAT(errorOf(zero + "atom.shared.add.u32 %r3, [%r9], 1;"
                             "ld.shared.u32 %r4, [%r9];"),
              HasSubstr("read after write"));
}

TEST(Races, withoutChecksNobodyLooks) {
  Environment environment;
  environment.sharedBytes = 1024;
  environment.options.checks = false;
  EXPECT_EQ(run("mov.u32 %r9, smem; mad.lo.u32 %r1, %tid, 4, %r9;"
                "ld.shared.u32 %r3, [%r1]; ret;",
                environment)
                .error,
            "");
}

TEST(Races, ctasWriteApart) {
  Environment environment;
  environment.ctas = 4;
  std::string place = "mov.u32 %r1, %ctaid.x; mad.lo.u32 %r2, %r1, 32, %tid;"
                      "mul.wide.u32 %rd1, %r2, 2; add.s64 %rd1, %out, %rd1;"
                      "mov.u16 %h1, 5;";
  EXPECT_EQ(run(place + "st.global.u16 [%rd1], %h1; ret;", environment).error,
            "");
  EXPECT_THAT(run(storeWord("%tid") + "ret;", environment).error,
              HasSubstr("writes byte 0 of 'out', which another CTA wrote"));
  EXPECT_THAT(run(place + "st.global.u16 [%rd1], %h1;"
                          "ld.global.u16 %h2, [%out]; ret;",
                  environment)
                  .error,
              HasSubstr("reads byte 0 of 'out', which another CTA wrote"));
}

TEST(Races, atomicsTellOtherCtas) {
  // The last CTA to finish reads what all of them wrote.
  Environment environment;
  environment.ctas = 4;
  std::string body =
      "mov.u32 %r1, %ctaid.x; mul.wide.u32 %rd1, %r1, 4;"
      "add.s64 %rd1, %out, %rd1; setp.ne.u32 %p1, %tid, 0; @%p1 ret;"
      "add.u32 %r2, %r1, 1; st.global.u32 [%rd1], %r2; membar.gl;"
      "atom.global.add.u32 %r3, [%out+256], 1; setp.ne.u32 %p2, %r3, 3;"
      "@%p2 ret; membar.gl; ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%out];"
      "add.u32 %r4, %r4, %r5; add.u32 %r4, %r4, %r6; add.u32 %r4, %r4, %r7;"
      "st.global.u32 [%out+512], %r4; ret;";
  Outcome outcome = run(body, environment);
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[128], 10u);
  // Neither the atomic alone nor one of the fences is enough.
  const std::string fence = "membar.gl;";
  for (size_t at = body.find(fence); at != std::string::npos;
       at = body.find(fence, at + 1)) {
    std::string mutant = body;
    mutant.erase(at, fence.size());
    EXPECT_THAT(run(mutant, environment).error,
                HasSubstr("of 'out', which another CTA wrote"));
  }
  // Nor is a fence for the CTA alone.
  std::string local = body;
  local.replace(local.find(fence), fence.size(), "membar.cta;");
  EXPECT_THAT(run(local, environment).error,
              HasSubstr("of 'out', which another CTA wrote"));
  // An atomic that is its own fences.
  std::string ordered = body;
  for (size_t at = ordered.find(fence); at != std::string::npos;
       at = ordered.find(fence))
    ordered.erase(at, fence.size());
  ordered.replace(ordered.find("atom.global"), 11, "atom.acq_rel.gpu.global");
  EXPECT_EQ(run(ordered, environment).error, "");
}

TEST(Races, warpsTellOtherCtasOnlyWhatABarrierOrdersBefore) {
  // Both warps write; the first one tells of both.
  Environment environment;
  environment.ctas = 3;
  environment.threads = 64;
  std::string body =
      "mov.u32 %r1, %ctaid.x; mad.lo.u32 %r2, %r1, 64, %tid;"
      "mul.wide.u32 %rd1, %r2, 4; add.s64 %rd1, %out, %rd1;"
      "st.global.u32 [%rd1], %r2; bar.sync 0;"
      "setp.ne.u32 %p1, %tid, 0; @%p1 ret; fence.acq_rel.gpu;"
      "atom.global.add.u32 %r3, [%out+1024], 1; fence.acq_rel.gpu;"
      "setp.ne.u32 %p2, %r3, 2; @%p2 ret;"
      "ld.global.u32 %r4, [%out]; ld.global.u32 %r5, [%out+128];"
      "ld.global.u32 %r6, [%out+384];"
      "add.u32 %r4, %r4, %r5; add.u32 %r4, %r4, %r6;"
      "st.global.u32 [%out+1028], %r4; ret;";
  Outcome outcome = run(body, environment);
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[257], 0u + 32 + 96);
  body.erase(body.find("bar.sync 0;"), 11);
  EXPECT_THAT(run(body, environment).error,
              HasSubstr("of 'out', which another CTA wrote"));
}

TEST(Races, warpsOfOneCtaReadEachOthersGlobalWritesBehindABarrier) {
  Environment environment;
  environment.threads = 64;
  std::string write = "mul.wide.u32 %rd1, %tid, 4; add.s64 %rd1, %out, %rd1;"
                      "st.global.u32 [%rd1], %tid;",
              read =
                  "xor.b32 %r1, %tid, 32; mul.wide.u32 %rd2, %r1, 4;"
                  "add.s64 %rd2, %out, %rd2; ld.global.u32 %r2, [%rd2]; ret;";
  EXPECT_EQ(run(write + "bar.sync 0;" + read, environment).error, "");
  EXPECT_THAT(run(write + read, environment).error,
              HasSubstr("reads byte 0 of 'out', which warp 0 wrote"));
}

TEST(Races, strongAccessesPassOnWhatFencesTold) {
  // CTA 1 runs after CTA 0, and reads its flag.
  Environment environment;
  environment.ctas = 2;
  auto body = [](llvm::StringRef store, llvm::StringRef load) {
    return ("mov.u32 %r1, %ctaid.x; setp.ne.u32 %p1, %tid, 0; @%p1 ret;"
            "setp.eq.u32 %p2, %r1, 1; @%p2 bra $reader;"
            "st.global.u32 [%out], 7;" +
            store +
            " [%out+256], 1; ret;"
            "$reader: " +
            load + " %r2, [%out+256]; ld.global.u32 %r3, [%out]; ret;")
        .str();
  };
  EXPECT_EQ(run(body("st.release.gpu.global.u32", "ld.acquire.gpu.global.u32"),
                environment)
                .error,
            "");
  EXPECT_THAT(
      run(body("st.relaxed.gpu.global.u32", "ld.acquire.gpu.global.u32"),
          environment)
          .error,
      HasSubstr("reads byte 0 of 'out', which another CTA wrote"));
  EXPECT_THAT(
      run(body("st.release.gpu.global.u32", "ld.relaxed.gpu.global.u32"),
          environment)
          .error,
      HasSubstr("reads byte 0 of 'out', which another CTA wrote"));
}

} // namespace
