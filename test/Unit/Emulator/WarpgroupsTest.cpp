// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// wgmma: what it computes of matrices in shared memory, and the rules that its
// registers, its operands and its warps obey.

#include "EmulatorTesting.h"
#include "flow/Emulator/TensorMap.h"

#include <random>

using namespace flow::emulator;
using namespace flow::emulator::testing;
using ::testing::HasSubstr;

namespace {

constexpr uint32_t kColumns = 16, kBBegin = 8192, kBytes = 16384;

/// Where element (row, k) of a matrix lies, and the bits that say so.
/// Without a swizzle, 8 rows of 16 bytes are a core matrix of 128 bytes:
/// neighbours in depth are 2048 bytes apart here, groups of rows 128.
/// Transposed
/// ("MN-major"), 8 depths of 16 bytes are one. With a swizzle, rows that fill
/// it are then 32 of its lines apart from the next, and 8 depths are 8 lines.
struct Layout {
  uint32_t begin;
  Swizzle swizzle;
  /// Chunks of 16 bytes in a row before the matrix begins.
  uint32_t chunk = 0;
  bool isTransposed = false;

  uint32_t at(uint32_t row, uint32_t k) const {
    uint32_t bytes = swizzleBytes(swizzle);
    if (swizzle == Swizzle::None)
      return begin + row / 8 * 128 + k / 8 * 2048 +
             (isTransposed ? k % 8 * 16 + row % 8 * 2
                           : row % 8 * 16 + k % 8 * 2);
    uint32_t plain = isTransposed ? row * 2 / bytes * 32 * bytes + k * bytes +
                                        row * 2 % bytes
                                  : row * bytes + chunk * 16 + k * 2;
    // Bits 4 and up change by those from bit 7 on.
    uint32_t mask = bytes / 16 - 1;
    return begin + (plain ^ (plain / 128 & mask) * 16);
  }
  uint64_t descriptor() const {
    uint64_t mode = swizzle == Swizzle::Bytes128  ? 1
                    : swizzle == Swizzle::Bytes64 ? 2
                    : swizzle == Swizzle::Bytes32 ? 3
                                                  : 0;
    uint64_t pattern = 8 * swizzleBytes(swizzle) / 16;
    uint64_t leading = swizzle == Swizzle::None ? 2048 / 16
                       : isTransposed           ? 4 * pattern
                                                : 1;
    uint64_t stride = swizzle == Swizzle::None ? 128 / 16 : pattern;
    return (begin + chunk * 16) / 16 | leading << 16 | stride << 32 |
           mode << 62;
  }
};

uint16_t bf16Of(float value) { return bitsOf(value) >> 16; }

/// Numbers that bf16 holds exactly, so that sums of products are exact too.
class Problem {
public:
  explicit Problem(Swizzle swizzle, uint32_t chunk = 0,
                   bool isTransposedA = false, bool isTransposedB = false)
      : aLayout{0, swizzle, chunk, isTransposedA},
        bLayout{kBBegin, swizzle, chunk, isTransposedB} {
    std::mt19937 random(3);
    environment.threads = 128;
    environment.sharedBytes = kBytes;
    environment.in.assign(kBytes / 4, 0);
    environment.outWords = 128 * 8;
    auto fill = [&](auto &matrix, const Layout &layout) {
      for (uint32_t row = 0; row < std::size(matrix); ++row)
        for (uint32_t k = 0; k < 16; ++k) {
          matrix[row][k] = int(random() % 17) - 8;
          uint32_t byte = layout.at(row, k);
          environment.in[byte / 4] |= uint32_t(bf16Of(matrix[row][k]))
                                      << byte % 4 * 8;
        }
    };
    fill(a, aLayout);
    fill(b, bLayout);
  }

  float expected(uint32_t row, uint32_t column) const {
    float sum = 0;
    for (uint32_t k = 0; k < 16; ++k)
      sum += a[row][k] * b[column][k];
    return sum;
  }

  Layout aLayout, bLayout;
  float a[64][16], b[kColumns][16];
  Environment environment;
};

std::string number(uint64_t value) { return std::to_string(value); }

const std::string kSums = "{%f0,%f1,%f2,%f3,%f4,%f5,%f6,%f7}";

std::string product(const std::string &a = "%rd10",
                    const std::string &adds = "1", bool isTransposedA = false,
                    bool isTransposedB = false) {
  return "{ .reg .pred adds; setp.ne.b32 adds, " + adds +
         ", 0; wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 " + kSums +
         ", " + a + ", %rd11, adds, 1, 1, " +
         (a.front() == '{' ? "" : number(isTransposedA) + ", ") +
         number(isTransposedB) + "; }";
}

/// Copies `in` to shared memory, so that the proxy sees it if there is a fence.
std::string fill(const std::string &fence = "fence.proxy.async;") {
  std::string text = "mov.u32 %r9, smem; mad.lo.u32 %r1, %tid, 4, %r9;"
                     "mul.wide.u32 %rd1, %tid, 4; add.s64 %rd1, %in, %rd1;";
  for (uint32_t i = 0; i < kBytes / 512; ++i)
    text += "ld.global.b32 %r2, [%rd1+" + number(512 * i) +
            "]; st.shared.b32 [%r1+" + number(512 * i) + "], %r2;";
  return text + fence + "bar.sync 0;";
}

std::string descriptors(const Problem &problem) {
  return "cvt.u64.u32 %rd9, %r9; shr.u64 %rd9, %rd9, 4;"
         "add.s64 %rd10, %rd9, " +
         number(problem.aLayout.descriptor()) + "; add.s64 %rd11, %rd9, " +
         number(problem.bLayout.descriptor()) + ";";
}

std::string sums(const std::string &value) {
  std::string text;
  for (int i = 0; i < 8; ++i)
    text += "mov.f32 %f" + number(i) + ", " + value + ";";
  return text;
}

const std::string kFence = "wgmma.fence.sync.aligned;",
                  kCommit = "wgmma.commit_group.sync.aligned;",
                  kWait = "wgmma.wait_group.sync.aligned 0;";

std::string store() {
  std::string text = "mul.wide.u32 %rd1, %tid, 32; add.s64 %rd1, %out, %rd1;";
  for (int i = 0; i < 8; ++i)
    text += "st.global.f32 [%rd1+" + number(4 * i) + "], %f" + number(i) + ";";
  return text + "ret;";
}

/// Runs `middle` between the operands and the store of the sums.
Outcome runMiddle(const Problem &problem, const std::string &middle,
                  const std::string &fence = "fence.proxy.async;") {
  return run(fill(fence) + descriptors(problem) + sums("0f3f800000") + middle +
                 store(),
             problem.environment);
}

/// Sum i of thread t: 8 columns are four sums, two in each of two rows.
void expectSums(const Outcome &outcome, const Problem &problem, float times,
                float start) {
  ASSERT_EQ(outcome.error, "");
  for (uint32_t t = 0; t < 128; ++t)
    for (uint32_t i = 0; i < 8; ++i) {
      uint32_t row = t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8;
      uint32_t column = i / 4 * 8 + t % 4 * 2 + i % 2;
      ASSERT_EQ(outcome.asFloat(8 * t + i),
                start + times * problem.expected(row, column))
          << "row " << row << " column " << column;
    }
}

TEST(Warpgroups, multiplyMatricesOfEachLayout) {
  for (auto [swizzle, chunk] : {std::pair(Swizzle::None, 0u),
                                {Swizzle::Bytes32, 0u},
                                {Swizzle::Bytes64, 0u},
                                {Swizzle::Bytes64, 2u},
                                {Swizzle::Bytes128, 0u},
                                {Swizzle::Bytes128, 2u},
                                {Swizzle::Bytes128, 6u}}) {
    Problem problem(swizzle, chunk);
    Outcome outcome = runMiddle(problem, kFence + product() + kCommit + kWait);
    expectSums(outcome, problem, 1, 1);
    EXPECT_EQ(outcome.counters.wgmma, 4u);
  }
}

TEST(Warpgroups, multiplyTransposedMatrices) {
  for (Swizzle swizzle :
       {Swizzle::None, Swizzle::Bytes32, Swizzle::Bytes64, Swizzle::Bytes128})
    for (auto [isTransposedA, isTransposedB] :
         {std::pair(false, true), {true, false}, {true, true}}) {
      Problem problem(swizzle, 0, isTransposedA, isTransposedB);
      expectSums(runMiddle(problem, kFence +
                                        product("%rd10", "1", isTransposedA,
                                                isTransposedB) +
                                        kCommit + kWait),
                 problem, 1, 1);
    }
}

TEST(Warpgroups, readCoreMatricesInOnePassEach) {
  // Of A two groups of rows by two chunks for each warp, of B as many for all.
  for (bool isTransposed : {false, true}) {
    Problem problem(Swizzle::Bytes128, 0, isTransposed, isTransposed);
    Counters with =
        runMiddle(problem,
                  kFence + product("%rd10", "1", isTransposed, isTransposed) +
                      kCommit + kWait)
            .counters;
    Counters without = runMiddle(problem, "").counters;
    EXPECT_EQ(with.sharedWavefronts - without.sharedWavefronts, 4u * 4 + 4);
    EXPECT_EQ(with.bankConflicts, 0u);
  }
}

TEST(Warpgroups, addOrBeginAnew) {
  Problem problem(Swizzle::Bytes128);
  expectSums(runMiddle(problem, kFence + product() + product() + product() +
                                    kCommit + kWait),
             problem, 3, 1);
  expectSums(runMiddle(problem, kFence + product() + product("%rd10", "0") +
                                    product() + kCommit + kWait),
             problem, 2, 0);
}

TEST(Warpgroups, takeRowsFromRegisters) {
  for (bool isTransposed : {false, true}) {
    Problem problem(Swizzle::Bytes128, 0, false, isTransposed);
    // A fragment of mma: rows g and g + 8, pairs of columns 2t and 2t + 8.
    std::string load;
    for (uint32_t i = 0; i < 4; ++i)
      load +=
          "add.u32 %r6, %r4, " + number(i % 2 * 8) +
          "; mul.lo.u32 %r7, %r6, "
          "128; add.u32 %r8, %r5, " +
          number(i / 2) +
          "; and.b32 %r6, %r6, 7; and.b32 %r3, %tid, 3; shl.b32 %r3, %r3, 2;"
          "mov.u32 %r8, " +
          number(i / 2) +
          "; xor.b32 %r8, %r8, %r6; mad.lo.u32 %r7, %r8, 16, %r7;"
          "add.u32 %r7, %r7, %r3; add.u32 %r7, %r7, %r9;"
          "ld.shared.b32 %r" +
          number(20 + i) + ", [%r7];";
    std::string rows = "shr.u32 %r4, %tid, 5; shl.b32 %r4, %r4, 4;"
                       "and.b32 %r5, %tid, 31; shr.u32 %r5, %r5, 2;"
                       "add.u32 %r4, %r4, %r5;";
    expectSums(runMiddle(problem, rows + load + kFence +
                                      product("{%r20,%r21,%r22,%r23}", "1",
                                              false, isTransposed) +
                                      kCommit + kWait),
               problem, 1, 1);
  }
}

TEST(Warpgroups, needAFenceForTheirRegisters) {
  Problem problem(Swizzle::Bytes128);
  EXPECT_THAT(runMiddle(problem, product() + kCommit + kWait).error,
              HasSubstr("no wgmma.fence before the first"));
  EXPECT_THAT(runMiddle(problem, kFence + "add.f32 %f3, %f3, %f3;" + product() +
                                     kCommit + kWait)
                  .error,
              HasSubstr("touched its registers since the last wgmma.fence"));
  // Products on the same sums are in order without one.
  EXPECT_EQ(runMiddle(problem, kFence + product() + kCommit + kWait +
                                   product() + kCommit + kWait)
                .error,
            "");
  EXPECT_THAT(runMiddle(problem, kFence + product() + kCommit + kWait +
                                     "add.f32 %f3, %f3, %f3;" + product() +
                                     kCommit + kWait)
                  .error,
              HasSubstr("touched its registers"));
}

TEST(Warpgroups, keepTheirRegistersUntilTheWait) {
  Problem problem(Swizzle::Bytes128);
  for (const std::string &wait : {std::string(), kCommit, kWait,
                                  kCommit + "wgmma.wait_group.sync.aligned "
                                            "1;"})
    EXPECT_THAT(
        runMiddle(problem, kFence + product() + wait + "mov.f32 %f9, %f7;")
            .error,
        HasSubstr("touches a register of an unfinished wgmma"))
        << wait;
  EXPECT_EQ(runMiddle(problem, kFence + product() + kCommit + product() +
                                   kCommit + kWait)
                .error,
            "");
  EXPECT_THAT(
      runMiddle(problem, kFence + product() + kCommit + product() + kWait)
          .error,
      HasSubstr("touches a register"));
}

TEST(Warpgroups, needAFenceForWhatOthersWrote) {
  Problem problem(Swizzle::Bytes128);
  std::string multiply = kFence + product() + kCommit + kWait;
  EXPECT_THAT(runMiddle(problem, multiply, "").error,
              HasSubstr("read by the asynchronous proxy without "
                        "fence.proxy.async"));
  // It may also stand behind the barrier.
  EXPECT_EQ(runMiddle(problem, "fence.proxy.async;" + multiply, "").error, "");
}

TEST(Warpgroups, keepTheirOperandsUntilTheWait) {
  Problem problem(Swizzle::Bytes128);
  std::string write = "bar.sync 0; st.shared.u32 [%r1], 0;";
  EXPECT_THAT(
      runMiddle(problem, kFence + product() + kCommit + write + kWait).error,
      HasSubstr("write over an operand of an unfinished wgmma"));
  EXPECT_EQ(
      runMiddle(problem, kFence + product() + kCommit + kWait + write).error,
      "");
  // Warps that are not told of the wait race with it.
  EXPECT_THAT(runMiddle(problem, kFence + product() + kCommit + kWait +
                                     "st.shared.u32 [%r1+8192], 0;")
                  .error,
              HasSubstr("with no barrier between"));
}

TEST(Warpgroups, areFourWarpsThatDoTheSame) {
  Problem problem(Swizzle::Bytes128);
  std::string multiply = kFence + product() + kCommit + kWait;
  EXPECT_THAT(runMiddle(problem, "setp.ge.u32 %p1, %tid, 96; @%p1 bra LATER;" +
                                     multiply + "LATER: ")
                  .error,
              HasSubstr("does not take part"));
  EXPECT_THAT(runMiddle(problem, "setp.eq.u32 %p1, %tid, 5; @%p1 bra LATER;" +
                                     multiply + "LATER: ")
                  .error,
              HasSubstr("needs all lanes"));
  EXPECT_THAT(runMiddle(problem, "shr.u32 %r3, %tid, 5; cvt.u64.u32 %rd3, %r3;"
                                 "shl.b64 %rd3, %rd3, 1;"
                                 "add.s64 %rd11, %rd11, %rd3;" +
                                     multiply)
                  .error,
              HasSubstr("name different matrices"));
  Problem three(Swizzle::Bytes128);
  three.environment.threads = 96;
  EXPECT_THAT(runMiddle(three, multiply).error,
              HasSubstr("in no warpgroup of four"));
}

TEST(Warpgroups, endBeforeTheirCta) {
  Problem problem(Swizzle::Bytes128);
  Outcome outcome = run(fill() + descriptors(problem) + sums("0f00000000") +
                            kFence + product() + kCommit + "ret;",
                        problem.environment);
  EXPECT_THAT(outcome.error, HasSubstr("the CTA ends before the wgmma"));
}

TEST(Warpgroups, readWhatIsThere) {
  Problem problem(Swizzle::Bytes128);
  std::string multiply = kFence + product() + kCommit + kWait;
  EXPECT_THAT(runMiddle(problem, "add.s64 %rd11, %rd11, 500;" + multiply).error,
              HasSubstr("does not begin with a pattern"));
  // A depth further in the line: lines of transposed matrices have one each.
  std::string transposed =
      kFence + product("%rd10", "1", false, true) + kCommit + kWait;
  EXPECT_THAT(runMiddle(Problem(Swizzle::Bytes128, 0, false, true),
                        "add.s64 %rd11, %rd11, 2;" + transposed)
                  .error,
              HasSubstr("does not begin with a pattern"));
  EXPECT_THAT(runMiddle(problem, "add.s64 %rd11, %rd11, 512;" + multiply).error,
              HasSubstr("passes the end of the 16384 bytes"));
  EXPECT_THAT(runMiddle(problem, "mov.u64 %rd3, 562949953421312;"
                                 "or.b64 %rd11, %rd11, %rd3;" +
                                     multiply)
                  .error,
              HasSubstr("base offset"));
}

TEST(Warpgroups, knowTheirForms) {
  Problem problem(Swizzle::Bytes128);
  auto error = [&](const std::string &opcode, const std::string &end) {
    return runMiddle(problem, kFence + opcode + " " + kSums +
                                  ", %rd10, %rd11, %p1, " + end + ";")
        .error;
  };
  std::string known = "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16";
  EXPECT_THAT(error(known, "-1, 1, 0, 0"),
              HasSubstr("transposed, but not negated"));
  EXPECT_THAT(error(known, "1, 1, 0, 2"),
              HasSubstr("transposed, but not negated"));
  EXPECT_THAT(error("wgmma.mma_async.sync.aligned.m64n24k16.f32.bf16.bf16",
                    "1, 1, 0, 0"),
              HasSubstr("do not fit the shape"));
  EXPECT_THAT(error("wgmma.mma_async.sync.aligned.m64n12k16.f32.bf16.bf16",
                    "1, 1, 0, 0"),
              HasSubstr("is not supported"));
  EXPECT_THAT(error("wgmma.mma_async.sync.aligned.m64n16k32.f32.e4m3.e4m3",
                    "1, 1, 0, 0"),
              HasSubstr("is not supported"));
}

} // namespace
