// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is no PTX, or no launch, is told by its cause.

#include "EmulatorTesting.h"

using namespace flow::emulator;
using namespace flow::emulator::testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

std::string createError(const std::string &ptx) {
  auto program = Program::create(ptx);
  return program ? "" : llvm::toString(program.takeError());
}

TEST(Program, unknownInstructionsAreNamed) {
  EXPECT_EQ(run("\nfrobnicate.b32 %r1, %r2; ret;").error,
            "PTX line 18 of kernel 'k': 'frobnicate.b32 %r1, %r2' is not "
            "supported");
  EXPECT_THAT(run("div.rz.f32 %f1, %f2, %f3; ret;").error,
              HasSubstr("of '.rz'"));
  EXPECT_THAT(run("add.cc.u32 %r1, %r2, %r3; ret;").error,
              HasSubstr("of '.cc'"));
  for (const char *later :
       {"tcgen05.wait::ld.sync.aligned;",
        "mbarrier.pending_count.b64 %r1, %rd1;", "cp.async.bulk.commit_group;",
        "call.uni (%r1), f, (%r2);",
        "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%fd1,%fd2}, {%fd3}, "
        "{%fd4}, {%fd1,%fd2};"})
    EXPECT_THAT(run(std::string(later) + "ret;").error,
                HasSubstr("is not supported"))
        << later;
}

TEST(Program, operandsMustFit) {
  EXPECT_THAT(run("add.u32 %r1, %r2; ret;").error,
              HasSubstr("expected 3 operands, found 2"));
  EXPECT_THAT(run("add.u64 %rd1, %r2, 1; ret;").error,
              HasSubstr("register '%r2' has 32 bits, expected 64"));
  EXPECT_THAT(run("mul.wide.u32 %r1, %r2, 1; ret;").error,
              HasSubstr("a result of 64 bits for register '%r1' of 32"));
  EXPECT_THAT(run("add.u32 %r1, %p1, 1; ret;").error,
              HasSubstr("a predicate and a number"));
  EXPECT_THAT(run("mov.u32 %r1, nothing; ret;").error,
              HasSubstr("no variable or special register 'nothing'"));
  EXPECT_THAT(run("ld.param.u64 %rd1, [k_in+4]; ret;").error,
              HasSubstr("the parameter has 8 bytes"));
  EXPECT_THAT(run("@%r1 ret;").error, HasSubstr("'%r1' is no predicate"));
}

TEST(Program, brokenTextIsRefused) {
  EXPECT_THAT(createError("nonsense"), HasSubstr("PTX line 1: expected a"));
  EXPECT_THAT(createError("\n.entry k() { ret;"),
              HasSubstr("ends inside kernel 'k'"));
  EXPECT_THAT(createError(".entry k() { mov.u32 %r1, 1 }"),
              HasSubstr("the text ends in a statement"));
  EXPECT_THAT(createError(".entry k() { bra NOWHERE; }"),
              HasSubstr("no label for 'bra NOWHERE'"));
  EXPECT_THAT(createError(".entry k() { L: ret; L: ret; }"),
              HasSubstr("label 'L' is defined twice"));
  EXPECT_THAT(createError(".entry k() { ret; } .entry k() { ret; }"),
              HasSubstr("kernel 'k' is defined twice"));
  EXPECT_THAT(createError(".entry k() { .reg .b33 %r<2>; ret; }"),
              HasSubstr("unknown type of registers"));
  EXPECT_THAT(createError(".entry k() { .reg .b32 %r<99999999>; ret; }"),
              HasSubstr("registers"));
  EXPECT_THAT(createError(".global .b8 x[99999999999]; .entry k() { ret; }"),
              HasSubstr("'x' is too large"));
  EXPECT_THAT(createError(".entry k() { }"), HasSubstr("no instructions"));
}

TEST(Program, textAsCompilersPrintIt) {
  // Comments, scopes that use a name twice, instructions over several lines,
  // locations, and functions that nobody calls.
  Outcome outcome = run(R"(
    .pragma "nounroll";
    .loc 1 7 3
    // begin inline asm
    { .reg .b32 %own; mov.u32 %own, 5;   /* mov.u32 %own, 6; */
      add.u32
        %r1, %own,
        %tid; }
    // end inline asm
    { .reg .b64 %own; mov.u64 %own, 3; cvt.u32.u64 %r2, %own; }
    add.u32 %r1, %r1, %r2;
$L__BB0_1:
)" + storeWord("%r1") + "ret;");
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[4], 12u);
  EXPECT_EQ(createError(".version 8.0\n.target sm_90, debug\n.file 1 \"a.cu\"\n"
                        ".func (.param .b32 r) f(.param .b32 a) { { ret; } }\n"
                        ".entry k()\n.reqntid 32, 1, 1\n.minnctapersm 2\n"
                        "{\n\tret;\n}\n\t.section .debug_str {\n.b8 1\n}\n"),
            "");
}

TEST(Program, labelsOfScopes) {
  // Each scope has its own, which others do not see, in every kernel.
  std::string loop = "{ .reg .pred %done; LOOP: add.u32 %r1, %r1, 1; "
                     "setp.ge.u32 %done, %r1, %r2; @%done bra.uni END; "
                     "bra.uni LOOP; END: }";
  Outcome outcome = run("mov.u32 %r1, 0; mov.u32 %r2, 5;" + loop +
                        "mov.u32 %r2, 9;" + loop + storeWord("%r1") + "ret;");
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[0], 9u);
  EXPECT_THAT(run(loop + "bra END; ret;").error,
              HasSubstr("no label for 'bra END'"));
  std::string kernels;
  for (char name : llvm::StringRef("abcdefgh"))
    kernels += std::string(".entry ") + name + "() { .reg .b32 %r<3>;" + loop +
               "ret; }";
  EXPECT_EQ(createError(kernels), "");
}

TEST(Program, severalKernels) {
  auto program = Program::create(
      ".entry a() { ret; } .visible .entry b(.param .u32 b_0) { ret; }");
  ASSERT_TRUE(bool(program)) << llvm::toString(program.takeError());
  EXPECT_THAT((*program)->kernels(), ElementsAre("a", "b"));
  GlobalMemory memory;
  auto errorOf = [&](const Launch &launch) {
    auto counters = (*program)->launch(launch, memory);
    return counters ? "" : llvm::toString(counters.takeError());
  };
  Launch launch;
  launch.kernel = "c";
  EXPECT_EQ(errorOf(launch), "no kernel 'c'");
  launch.kernel = "b";
  EXPECT_EQ(errorOf(launch), "kernel 'b': 0 parameters, expected 1");
  launch.kernel = "a";
  EXPECT_EQ(errorOf(launch), "");
  launch.block = {1025, 1, 1};
  EXPECT_THAT(errorOf(launch), HasSubstr("a block of (1025, 1, 1) threads"));
  launch.block = {1, 1, 1};
  launch.grid = {1, 0, 1};
  EXPECT_THAT(errorOf(launch), HasSubstr("a grid of (1, 0, 1)"));
}

TEST(Program, boundsOfBlocksAndSharedMemory) {
  Environment environment;
  environment.threads = 64;
  environment.bounds = ".maxntid 32, 1, 1";
  EXPECT_THAT(run("ret;", environment).error,
              HasSubstr("the kernel allows 32"));
  environment.bounds = ".reqntid 128";
  EXPECT_THAT(run("ret;", environment).error,
              HasSubstr("the kernel requires (128, 1, 1)"));
  environment.bounds = "";
  environment.sharedBytes = 227 * 1024;
  EXPECT_EQ(run("ret;", environment).error, "");
  ++environment.sharedBytes;
  EXPECT_THAT(run("ret;", environment).error,
              HasSubstr("232449 bytes of shared memory, the limit is 232448"));
  environment.options.sharedLimit = 1000;
  environment.sharedBytes = 900;
  EXPECT_THAT(run(".shared .align 4 .b8 own[120]; ret;", environment).error,
              HasSubstr("the limit is 1000"));
}

TEST(Program, parametersOfAllSizes) {
  auto program = Program::create(
      ".entry k(.param .u64 k_0, .param .u8 k_1, .param .f32 k_2,"
      " .param .align 8 .b8 k_3[16]) { .reg .b32 %r<9>; .reg .b64 %rd<9>;"
      "ld.param.u64 %rd1, [k_0]; ld.param.u8 %r1, [k_1];"
      "ld.param.f32 %r2, [k_2]; ld.param.v2.u32 {%r3, %r4}, [k_3+8];"
      "st.global.v4.u32 [%rd1], {%r1, %r2, %r3, %r4}; ret; }");
  ASSERT_TRUE(bool(program)) << llvm::toString(program.takeError());
  GlobalMemory memory;
  auto out = memory.allocate(16, "out");
  ASSERT_TRUE(bool(out));
  uint8_t byte = 200;
  float number = 1.5f;
  uint32_t structure[4] = {1, 2, 3, 4};
  Launch launch;
  launch.kernel = "k";
  launch.parameters = {&*out, &byte, &number, structure};
  auto counters = (*program)->launch(launch, memory);
  ASSERT_TRUE(bool(counters)) << llvm::toString(counters.takeError());
  EXPECT_THAT(std::vector<uint32_t>(static_cast<uint32_t *>(*out),
                                    static_cast<uint32_t *>(*out) + 4),
              ElementsAre(200, bitsOf(1.5f), 3, 4));
}

TEST(Program, coordinatesOfThreadsAndCtas) {
  auto program = Program::create(
      ".entry k(.param .u64 k_0) { .reg .b32 %r<20>; .reg .b64 %rd<9>;"
      "ld.param.u64 %rd1, [k_0]; mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y;"
      "mov.u32 %r3, %tid.z; mov.u32 %r4, %ctaid.x; mov.u32 %r5, %ctaid.y;"
      "mov.u32 %r6, %ctaid.z; mov.u32 %r7, %nctaid.x; mov.u32 %r8, %nctaid.y;"
      "mov.u32 %r9, %ntid.x; mov.u32 %r10, %ntid.y; mov.u32 %r11, %ntid.z;"
      "mad.lo.u32 %r12, %r6, %r8, %r5; mad.lo.u32 %r12, %r12, %r7, %r4;"
      "mad.lo.u32 %r12, %r12, %r11, %r3; mad.lo.u32 %r12, %r12, %r10, %r2;"
      "mad.lo.u32 %r12, %r12, %r9, %r1; mul.wide.u32 %rd2, %r12, 4;"
      "add.s64 %rd2, %rd1, %rd2; st.global.u32 [%rd2], %r12; ret; }");
  ASSERT_TRUE(bool(program)) << llvm::toString(program.takeError());
  GlobalMemory memory;
  size_t count = 2 * 3 * 4 * 5 * 3 * 2;
  auto out = memory.allocate(4 * count, "out");
  ASSERT_TRUE(bool(out));
  Launch launch;
  launch.kernel = "k";
  launch.grid = {2, 3, 4};
  launch.block = {5, 3, 2};
  launch.parameters = {&*out};
  auto counters = (*program)->launch(launch, memory, /*threads=*/3);
  ASSERT_TRUE(bool(counters)) << llvm::toString(counters.takeError());
  for (size_t i = 0; i < count; ++i)
    EXPECT_EQ(static_cast<uint32_t *>(*out)[i], i);
}

/// CTAs that are not chosen leave no trace.
TEST(Program, runsTheChosenCtas) {
  Environment environment;
  auto program = Program::create(makeKernel(
      "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ctaid.y; mad.lo.u32 %r3, %r2, 3, "
      "%r1; mul.wide.u32 %rd1, %r3, 4; add.s64 %rd1, %out, %rd1; mov.u32 %r4, "
      "1; st.global.u32 [%rd1], %r4; ret;",
      environment));
  ASSERT_TRUE(bool(program));
  GlobalMemory memory;
  void *out = llvm::cantFail(memory.allocate(24, "out"));
  Launch launch;
  launch.kernel = "k";
  launch.grid = {3, 2};
  launch.parameters = {&out, &out};
  launch.ctas = {1, 5};
  llvm::cantFail((*program)->launch(launch, memory));
  std::vector<int32_t> written(6);
  std::memcpy(written.data(), out, 24);
  EXPECT_EQ(written, (std::vector<int32_t>{0, 1, 0, 0, 0, 1}));
  launch.ctas = {6};
  EXPECT_EQ(llvm::toString((*program)->launch(launch, memory).takeError()),
            "kernel 'k': the CTA 6 of a grid of 6");
}

TEST(Program, errorsStopLoopsThatWaitForMore) {
  // The load fails, and what the loop waits for never comes.
  EXPECT_THAT(run("mov.u64 %rd1, 8; LOOP: ld.global.u32 %r1, [%rd1];"
                  "setp.eq.u32 %p1, %r1, 0; @%p1 bra LOOP; ret;")
                  .error,
              HasSubstr("is in no known memory"));
  EXPECT_THAT(run("setp.eq.u32 %p1, %tid, 3; @%p1 trap; ret;").error,
              AllOf(HasSubstr("'@%p1 trap'"), HasSubstr("gave up")));
}

} // namespace
