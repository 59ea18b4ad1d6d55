// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads, stores and atomics of all sizes; bounds and alignment; counters.

#include "EmulatorTesting.h"

#include <algorithm>

using namespace flow::emulator;
using namespace flow::emulator::testing;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {

Environment withNumbers() {
  Environment environment;
  environment.sharedBytes = 8192;
  for (size_t i = 0; i < environment.in.size(); ++i)
    environment.in[i] = i * 0x01010101u + 0x80;
  return environment;
}

/// %rd1 is the address of the thread's 16 bytes of `in`.
const std::string kOwnLine =
    "mul.wide.u32 %rd1, %tid, 16; add.s64 %rd1, %in, %rd1;";

TEST(Memory, loadsExtendByTheirType) {
  Outcome outcome =
      run(kOwnLine + "ld.global.u8 %r1, [%rd1]; ld.global.s8 %r2, [%rd1];"
                     "ld.global.s16 %h1, [%rd1]; cvt.s32.s16 %r3, %h1;"
                     "ld.global.s32 %rd2, [%rd1]; cvt.u32.u64 %r4, %rd2;"
                     "mul.wide.u32 %rd3, %tid, 16; add.s64 %rd3, %out, %rd3;"
                     "st.global.v4.u32 [%rd3], {%r1, %r2, %r3, %r4}; ret;",
          withNumbers());
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 32; ++i) {
    uint32_t word = 4 * i * 0x01010101u + 0x80;
    EXPECT_EQ(outcome.words[4 * i], word & 255);
    EXPECT_EQ(outcome.words[4 * i + 1], uint32_t(int8_t(word)));
    EXPECT_EQ(outcome.words[4 * i + 2], uint32_t(int16_t(word)));
    EXPECT_EQ(outcome.words[4 * i + 3], word);
  }
}

TEST(Memory, vectorsAndWidths) {
  Outcome outcome =
      run(kOwnLine + "ld.global.nc.L1::no_allocate.v2.b64 {%rd2, %rd3}, [%rd1];"
                     "mul.wide.u32 %rd4, %tid, 16; add.s64 %rd4, %out, %rd4;"
                     "st.global.cs.v2.b64 [%rd4], {%rd3, %rd2};"
                     "ld.global.v4.u16 {%h1, %h2, %h3, %h4}, [%rd1];"
                     "st.global.v2.b16 [%rd4+4], {%h4, %h1};"
                     "st.global.b8 [%rd4+8], %h2; ret;",
          withNumbers());
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 32; ++i) {
    auto in = [&](uint32_t k) { return (4 * i + k) * 0x01010101u + 0x80; };
    EXPECT_EQ(outcome.words[4 * i], in(2));
    EXPECT_EQ(outcome.words[4 * i + 1], in(1) >> 16 | in(0) << 16);
    EXPECT_EQ(outcome.words[4 * i + 2], (in(0) & ~255u) | (in(0) >> 16 & 255));
    EXPECT_EQ(outcome.words[4 * i + 3], in(1));
  }
}

TEST(Memory, genericAddressesFindTheirSpace) {
  Outcome outcome = run("mov.u64 %rd1, smem; cvta.shared.u64 %rd1, %rd1;"
                        "mul.wide.u32 %rd2, %tid, 4; add.s64 %rd1, %rd1, %rd2;"
                        "st.u32 [%rd1], %tid; cvta.to.shared.u64 %rd3, %rd1;"
                        "cvt.u32.u64 %r1, %rd3; ld.shared.u32 %r2, [%r1];"
                        "add.s64 %rd4, %out, %rd2; st.u32 [%rd4], %r2; ret;",
                        withNumbers());
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[17], 17u);
}

TEST(Memory, variablesOfTheModuleAndTheKernel) {
  Environment environment = withNumbers();
  environment.head = ".const .align 4 .b8 table[8] = {1, 0, 0, 0, 2, 1};\n"
                     ".global .align 8 .u32 counter = 40;\n";
  Outcome outcome =
      run(".shared .align 4 .b8 own[128];\n.local .align 8 .b8 stack[256];\n"
          "ld.const.u32 %r1, [table+4]; ld.global.u32 %r2, [counter];"
          "add.u32 %r1, %r1, %r2; mov.u32 %r3, own;"
          "mad.lo.u32 %r3, %tid, 4, %r3; st.shared.u32 [%r3], %r1;"
          "ld.shared.u32 %r4, [%r3]; mov.u64 %rd1, stack;"
          "and.b32 %r5, %tid, 7; mul.wide.u32 %rd2, %r5, 4;"
          "add.u64 %rd1, %rd1, %rd2; st.local.u32 [%rd1], %tid;"
          "ld.local.u32 %r6, [%rd1]; add.u32 %r4, %r4, %r6;" +
              storeWord("%r4") + "ret;",
          environment);
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(outcome.words[i], 0x102 + 40 + i);
}

TEST(Memory, constantsAreNotWritten) {
  Environment environment;
  environment.head = ".const .align 4 .b32 table[2] = {1, 2};\n";
  EXPECT_THAT(
      run("mov.u64 %rd1, table; st.u32 [%rd1+4], 3; ret;", environment).error,
      HasSubstr("writes 'table', which is read-only"));
}

TEST(Memory, atomics) {
  Environment environment;
  environment.threads = 64;
  environment.ctas = 8;
  environment.hostThreads = 2;
  Outcome outcome = run(
      "atom.global.add.u32 %r1, [%out], 2; red.global.add.u32 [%out+4], %tid;"
      "red.relaxed.gpu.global.max.s32 [%out+8], %tid;"
      "mov.b32 %f1, 0f3f000000; atom.global.add.f32 %f2, [%out+12], %f1;"
      "red.global.add.u64 [%out+16], 1;"
      "atom.global.cas.b32 %r2, [%out+24], 0, 9;"
      "atom.global.exch.b32 %r3, [%out+28], 6;"
      "atom.global.inc.u32 %r4, [%out+32], 511;"
      "red.global.or.b32 [%out+36], %tid; ret;",
      environment);
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[0], 1024u);
  EXPECT_EQ(outcome.words[1], 8u * 63 * 32);
  EXPECT_EQ(outcome.words[2], 63u);
  EXPECT_EQ(outcome.asFloat(3), 256.0f);
  EXPECT_EQ(outcome.asLong(2), 512u);
  EXPECT_EQ(outcome.words[6], 9u);
  EXPECT_EQ(outcome.words[7], 6u);
  EXPECT_EQ(outcome.words[8], 0u); // 512 times round
  EXPECT_EQ(outcome.words[9], 63u);
}

TEST(Memory, atomicsReturnWhatWasThere) {
  Outcome outcome = run("atom.global.add.u32 %r1, [%out+512], 3;" +
                        storeWord("%r1") + "ret;");
  ASSERT_EQ(outcome.error, "");
  std::vector<uint32_t> found(outcome.words.begin(),
                              outcome.words.begin() + 32);
  std::sort(found.begin(), found.end());
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(found[i], 3 * i);
}

TEST(Memory, boundsOfGlobalMemory) {
  Environment environment;
  environment.in.resize(31);
  std::string load = "mul.wide.u32 %rd1, %tid, 4; add.s64 %rd1, %in, %rd1;"
                     "ld.global.u32 %r1, [%rd1";
  EXPECT_THAT(run(load + "]; ret;", environment).error,
              AllOf(HasSubstr("kernel 'k', CTA (0, 0, 0), warp 0, PTX line"),
                    HasSubstr("'ld.global.u32 %r1, [%rd1]'"),
                    HasSubstr("lane 31: global access of 4 bytes at 0x"),
                    HasSubstr("past the end of 'in' (124 bytes)")));
  EXPECT_EQ(run(load + "+-4]; ret;", environment).error.empty(), false);
  environment.threads = 31;
  EXPECT_EQ(run(load + "]; ret;", environment).error, "");
  EXPECT_THAT(
      run("ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%in+112]; ret;", environment)
          .error,
      HasSubstr("passes the end of 'in' (124 bytes)"));
  EXPECT_THAT(run("mov.u64 %rd1, 0; st.global.u32 [%rd1], 1; ret;").error,
              HasSubstr("is in no known memory"));
}

TEST(Memory, boundsOfSharedMemory) {
  Environment environment;
  environment.sharedBytes = 128;
  std::string store = "mov.u32 %r1, smem; mad.lo.u32 %r1, %tid, 4, %r1;"
                      "st.shared.u32 [%r1";
  EXPECT_EQ(run(store + "], 0; ret;", environment).error, "");
  EXPECT_THAT(run(store + "+4], 0; ret;", environment).error,
              HasSubstr("lane 31: shared access of 4 bytes at 0x80 passes the "
                        "end of the 128 bytes of shared memory"));
  environment.options.checks = environment.options.count = false;
  EXPECT_THAT(run(store + "+4], 0; ret;", environment).error,
              HasSubstr("passes the end"));
}

TEST(Memory, alignment) {
  EXPECT_THAT(run("ld.global.u32 %r1, [%in+2]; ret;").error,
              HasSubstr("is not aligned"));
  EXPECT_THAT(run("ld.global.v2.u32 {%r1, %r2}, [%in+4]; ret;").error,
              HasSubstr("global access of 8 bytes"));
  EXPECT_EQ(run("ld.global.v2.u32 {%r1, %r2}, [%in+8]; ret;").error, "");
}

TEST(Memory, predicatedLanesTouchNothing) {
  Environment environment;
  environment.in.resize(4);
  EXPECT_EQ(run("setp.lt.u32 %p1, %tid, 4; mul.wide.u32 %rd1, %tid, 4;"
                "add.s64 %rd1, %in, %rd1; @%p1 ld.global.u32 %r1, [%rd1]; ret;",
                environment)
                .error,
            "");
}

/// Wavefronts and conflicts of a shared access by word index `%r1`.
std::pair<uint64_t, uint64_t> conflictsOf(const std::string &index,
                                          const std::string &type = "u32",
                                          const std::string &values = "0") {
  Outcome outcome = run(index +
                            "mov.u32 %r9, smem;"
                            "mad.lo.u32 %r1, %r1, 4, %r9; st.shared." +
                            type + " [%r1], " + values + "; ret;",
                        withNumbers());
  EXPECT_EQ(outcome.error, "");
  return {outcome.counters.sharedWavefronts, outcome.counters.bankConflicts};
}

TEST(Counting, bankConflictsOfStrides) {
  using Pair = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(conflictsOf("mov.u32 %r1, %tid;"), Pair(1, 0));
  EXPECT_EQ(conflictsOf("shl.b32 %r1, %tid, 1;"), Pair(2, 1));
  EXPECT_EQ(conflictsOf("shl.b32 %r1, %tid, 5;"), Pair(32, 31));
  EXPECT_EQ(conflictsOf("mul.lo.u32 %r1, %tid, 33;"), Pair(1, 0));
  EXPECT_EQ(conflictsOf("mov.u32 %r1, 3;"), Pair(1, 0)); // one word for all
  // 16 bytes: eight lanes a pass.
  std::string four = "{%tid, %tid, %tid, %tid}";
  EXPECT_EQ(conflictsOf("shl.b32 %r1, %tid, 2;", "v4.u32", four), Pair(4, 0));
  EXPECT_EQ(conflictsOf("shl.b32 %r1, %tid, 5;", "v4.u32", four), Pair(32, 28));
}

/// Sectors that a load by word index `%r1` reads.
uint64_t sectorsOf(const std::string &index) {
  Outcome outcome = run(index + "mul.wide.u32 %rd1, %r1, 4;"
                                "add.s64 %rd1, %in, %rd1;"
                                "ld.global.u32 %r2, [%rd1]; ret;");
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.counters.globalLoads, 1u);
  EXPECT_EQ(outcome.counters.globalBytesRead, 128u);
  return outcome.counters.globalSectorsRead;
}

TEST(Counting, sectorsOfPatterns) {
  EXPECT_EQ(sectorsOf("mov.u32 %r1, %tid;"), 4u);
  EXPECT_EQ(sectorsOf("add.u32 %r1, %tid, 1;"), 5u);
  EXPECT_EQ(sectorsOf("shl.b32 %r1, %tid, 3;"), 32u);
  EXPECT_EQ(sectorsOf("xor.b32 %r1, %tid, 31;"), 4u); // backwards
  EXPECT_EQ(sectorsOf("mov.u32 %r1, 9;"), 1u);
}

/// What is touched again, by whomever, does not count again.
TEST(Counting, distinctSectors) {
  Environment environment;
  environment.ctas = 3;
  environment.threads = 64;
  environment.hostThreads = 2;
  // The 16 sectors of 128 words by each CTA twice, one that warp 1 writes.
  Outcome outcome = run("shl.b32 %r1, %tid, 1; mul.wide.u32 %rd1, %r1, 4;"
                        "add.s64 %rd1, %in, %rd1; ld.global.u32 %r2, [%rd1];"
                        "ld.global.u32 %r2, [%rd1+4];"
                        "setp.eq.u32 %p1, %tid, 40; mov.u32 %r3, %ctaid.x;"
                        "mul.wide.u32 %rd2, %r3, 4; add.s64 %rd2, %out, %rd2;"
                        "@%p1 st.global.u32 [%rd2+64], %r2; ret;",
                        environment);
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.counters.globalSectorsRead, 3 * 2 * 16u);
  EXPECT_EQ(outcome.counters.distinctSectorsRead, 16u);
  EXPECT_EQ(outcome.counters.globalSectorsWritten, 3u);
  EXPECT_EQ(outcome.counters.distinctSectorsWritten, 1u);
}

TEST(Counting, trafficOfEachPieceOfMemory) {
  Environment environment;
  auto program = Program::create(
      makeKernel("ld.global.u32 %r1, [%in]; ld.global.u32 %r1, [%in+32];"
                 "st.global.u32 [%out], %r1; ret;",
                 environment));
  ASSERT_TRUE(bool(program));
  GlobalMemory memory;
  void *in = llvm::cantFail(memory.allocate(64, "in"));
  void *out = llvm::cantFail(memory.allocate(64, "out"));
  Launch launch;
  launch.kernel = "k";
  launch.parameters = {&in, &out};
  std::vector<Traffic> traffic;
  llvm::cantFail((*program)->launch(launch, memory, 1, &traffic));
  ASSERT_EQ(traffic.size(), 2u);
  const Traffic &read = traffic[in < out ? 0 : 1],
                &written = traffic[in < out ? 1 : 0];
  EXPECT_EQ(read.begin, reinterpret_cast<uintptr_t>(in));
  EXPECT_EQ(read.sectorsRead, 2u);
  EXPECT_EQ(read.sectorsWritten, 0u);
  EXPECT_EQ(written.sectorsRead, 0u);
  EXPECT_EQ(written.sectorsWritten, 1u);
}

TEST(Counting, operations) {
  Environment environment;
  environment.ctas = 2;
  Outcome outcome =
      run("setp.lt.u32 %p1, %tid, 8; @!%p1 bra ALL;"
          "fma.rn.f32 %f1, %f2, %f3, %f4; add.f32 %f1, %f2, %f3;"
          "add.f64 %fd1, %fd2, %fd3; add.u32 %r1, %r2, %r3;"
          "ALL: mul.f32 %f5, %f6, %f7;"
          "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
          "{%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r5,%r6}, {%f1,%f2,%f3,%f4};"
          "mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 "
          "{%r1,%r2,%r3,%r4}, {%r5,%r6}, {%r7}, {%r1,%r2,%r3,%r4}; ret;",
          environment);
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.counters.floatOperations, 2 * (8 * 3 + 32u));
  EXPECT_EQ(outcome.counters.tensorOperations, 2 * 2 * 16 * 8 * 16u);
  EXPECT_EQ(outcome.counters.byteTensorOperations, 2 * 2 * 16 * 8 * 16u);
}

TEST(Counting, instructionsByWarpAndThread) {
  Environment environment;
  environment.threads = 48;
  environment.ctas = 3;
  // The parameters and %tid of the frame, and the last two.
  uint64_t instructions = 3 + 2;
  Outcome outcome = run("ex2.approx.f32 %f1, 0f3f800000; ret;", environment);
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.counters.instructions, 3 * 2 * instructions);
  EXPECT_EQ(outcome.counters.threadInstructions, 3 * 48 * instructions);
  EXPECT_EQ(outcome.counters.special, 6u);
  environment.options.count = false;
  outcome = run("ld.global.u32 %r1, [%in]; ret;", environment);
  EXPECT_EQ(outcome.counters.instructions, 0u);
  EXPECT_EQ(outcome.counters.globalLoads, 0u);
}

TEST(GlobalMemory, namesAndBoundsAreKept) {
  GlobalMemory memory;
  int table[4] = {};
  EXPECT_FALSE(llvm::errorToBool(memory.add(table, sizeof(table), "table")));
  EXPECT_EQ(llvm::toString(memory.add(&table[3], 8, "other")),
            "'other' overlaps with 'table'");
  auto address = memory.allocate(100, "block");
  ASSERT_TRUE(bool(address));
  auto begin = reinterpret_cast<uintptr_t>(*address);
  EXPECT_EQ(begin % 256, 0u);
  EXPECT_EQ(memory.find(begin + 99)->name, "block");
  const GlobalMemory::Range *beyond = memory.find(begin + 100);
  EXPECT_TRUE(!beyond || beyond->name != "block");
  memory.free(*address);
  const GlobalMemory::Range *freed = memory.find(begin);
  EXPECT_TRUE(!freed || freed->name != "block");
  EXPECT_THAT(llvm::toString(memory.allocate(SIZE_MAX - 1, "all").takeError()),
              HasSubstr("no memory for the"));
}

TEST(GlobalMemory, readOnlyMemoryIsNotWritten) {
  auto program = Program::create(
      ".version 8.0\n.entry w(.param .u64 p) {.reg .b64 %rd<2>;"
      "ld.param.u64 %rd1, [p]; st.global.u32 [%rd1], 7; ret; }");
  ASSERT_TRUE(bool(program)) << llvm::toString(program.takeError());
  const uint32_t constant[1] = {3};
  uint32_t variable[1] = {3};
  GlobalMemory memory;
  ASSERT_FALSE(llvm::errorToBool(memory.add(constant, 4, "constant")));
  ASSERT_FALSE(llvm::errorToBool(memory.add(variable, 4, "variable")));
  auto error = [&](const uint32_t *address) {
    Launch launch;
    launch.kernel = "w";
    launch.parameters = {&address};
    auto counters = (*program)->launch(launch, memory);
    return counters ? "" : llvm::toString(counters.takeError());
  };
  EXPECT_THAT(error(constant),
              HasSubstr("writes 'constant', which is read-only"));
  EXPECT_EQ(error(variable), "");
  EXPECT_EQ(variable[0], 7u);
}

} // namespace
