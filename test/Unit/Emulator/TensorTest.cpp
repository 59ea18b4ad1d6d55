// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mma and ldmatrix, against loops written from the fragment tables of the PTX
// ISA ("Matrix fragments for mma.m16n8k16" and so on).

#include "EmulatorTesting.h"

#include <cmath>
#include <random>

using namespace flow::emulator::testing;

namespace {

/// Loads A fragments to %r10…, B to %r20…, C to %f0… or %r30…, runs `mma`, and
/// stores the four results of each lane one after another.
std::string mmaKernel(const std::string &mma, int aRegisters, int bRegisters) {
  std::string body = "mul.wide.u32 %rd1, %tid, 4; add.s64 %rd1, %in, %rd1;\n";
  auto load = [&](int first, int count, int offset) {
    for (int i = 0; i < count; ++i)
      body += "ld.global.b32 %r" + std::to_string(first + i) + ", [%rd1+" +
              std::to_string(128 * (offset + i)) + "];\n";
  };
  load(10, aRegisters, 0);
  load(20, bRegisters, aRegisters);
  load(30, 4, aRegisters + bRegisters);
  body += mma;
  body += "mul.wide.u32 %rd2, %tid, 16; add.s64 %rd2, %out, %rd2;"
          "st.global.v4.b32 [%rd2], {%r30, %r31, %r32, %r33}; ret;";
  return body;
}

template <typename T> using Matrix = std::vector<std::vector<T>>;

/// What lane `lane` holds of A in element `i` (all registers' elements in a
/// row), for 16-bit elements and k = 8 or 16.
std::pair<int, int> placeInA(int lane, int i) {
  int group = lane / 4, thread = lane % 4;
  int row = (i & 2) ? group + 8 : group;
  int column = 2 * thread + (i & 1) + (i >= 4 ? 8 : 0);
  return {row, column};
}
std::pair<int, int> placeInB(int lane, int i) {
  int group = lane / 4, thread = lane % 4;
  return {2 * thread + (i & 1) + (i >= 2 ? 8 : 0), group};
}
std::pair<int, int> placeInC(int lane, int i) {
  int group = lane / 4, thread = lane % 4;
  return {i < 2 ? group : group + 8, 2 * thread + (i & 1)};
}

/// Checks a product of 16-bit floats that `decode` understands.
template <typename Decode>
void checkHalves(const std::string &opcode, int k, uint16_t mask,
                 Decode decode) {
  int aRegisters = k / 4, bRegisters = k / 8;
  std::mt19937 random(7);
  Matrix<uint16_t> a(16, std::vector<uint16_t>(k)),
      b(k, std::vector<uint16_t>(8));
  Matrix<float> c(16, std::vector<float>(8));
  // Numbers of both signs with exponents near that of 1.
  for (auto *matrix : {&a, &b})
    for (auto &row : *matrix)
      for (uint16_t &value : row)
        value = (random() & mask) | 0x3c00;
  for (auto &row : c)
    for (float &value : row)
      value = float(int(random() % 64) - 32);
  Environment environment;
  environment.in.clear();
  for (int reg = 0; reg < aRegisters; ++reg)
    for (int lane = 0; lane < 32; ++lane) {
      auto [row, column] = placeInA(lane, 2 * reg);
      environment.in.push_back(a[row][column] | a[row][column + 1] << 16);
    }
  for (int reg = 0; reg < bRegisters; ++reg)
    for (int lane = 0; lane < 32; ++lane) {
      auto [row, column] = placeInB(lane, 2 * reg);
      environment.in.push_back(b[row][column] | b[row + 1][column] << 16);
    }
  for (int i = 0; i < 4; ++i)
    for (int lane = 0; lane < 32; ++lane) {
      auto [row, column] = placeInC(lane, i);
      environment.in.push_back(bitsOf(c[row][column]));
    }
  std::string lists = k == 16 ? "{%r10, %r11, %r12, %r13}, {%r20, %r21}, "
                              : "{%r10, %r11}, {%r20}, ";
  Outcome outcome = run(mmaKernel(opcode + " {%r30, %r31, %r32, %r33}, " +
                                      lists + "{%r30, %r31, %r32, %r33};",
                                  aRegisters, bRegisters),
                        environment);
  ASSERT_EQ(outcome.error, "");
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      auto [row, column] = placeInC(lane, i);
      double exact = c[row][column], size = std::fabs(exact);
      for (int x = 0; x < k; ++x) {
        double product = double(decode(a[row][x])) * decode(b[x][column]);
        exact += product;
        size += std::fabs(product);
      }
      // Each of the k additions rounds a partial sum of at most `size`. One
      // element in the wrong place is off by more than 0.1.
      EXPECT_NEAR(outcome.asFloat(4 * lane + i), exact, k * size * 0x1p-24)
          << "C[" << row << "][" << column << "]";
      EXPECT_LT(k * size * 0x1p-24, 0.1);
    }
  EXPECT_EQ(outcome.counters.mma, 1u);
}

float decodeBfloat(uint16_t bits) { return floatOf(uint32_t(bits) << 16); }
float decodeHalf(uint16_t bits) {
  // Of the numbers of this test only: normal ones.
  float value =
      std::ldexp(1.0f + (bits & 0x3ff) / 1024.0f, int(bits >> 10 & 31) - 15);
  return bits & 0x8000 ? -value : value;
}

TEST(Tensor, mmaOfBfloats) {
  checkHalves("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", 16, 0x83ff,
              decodeBfloat);
  checkHalves("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", 8, 0x83ff,
              decodeBfloat);
}

TEST(Tensor, mmaOfHalves) {
  checkHalves("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", 16, 0x83ff,
              decodeHalf);
}

void checkBytes(const std::string &aType, const std::string &bType) {
  std::mt19937 random(11);
  Matrix<uint8_t> a(16, std::vector<uint8_t>(32)),
      b(32, std::vector<uint8_t>(8));
  for (auto *matrix : {&a, &b})
    for (auto &row : *matrix)
      for (uint8_t &value : row)
        value = random();
  Environment environment;
  environment.in.clear();
  for (int reg = 0; reg < 4; ++reg)
    for (int lane = 0; lane < 32; ++lane) {
      uint32_t word = 0;
      for (int i = 0; i < 4; ++i)
        word |= uint32_t(a[lane / 4 + 8 * (reg & 1)]
                          [4 * (lane % 4) + i + 16 * (reg >> 1)])
                << 8 * i;
      environment.in.push_back(word);
    }
  for (int reg = 0; reg < 2; ++reg)
    for (int lane = 0; lane < 32; ++lane) {
      uint32_t word = 0;
      for (int i = 0; i < 4; ++i)
        word |= uint32_t(b[4 * (lane % 4) + i + 16 * reg][lane / 4]) << 8 * i;
      environment.in.push_back(word);
    }
  environment.in.resize(1024, 5); // C
  Outcome outcome = run(
      mmaKernel("mma.sync.aligned.m16n8k32.row.col.s32." + aType + "." + bType +
                    ".s32 {%r30, %r31, %r32, %r33}, {%r10, %r11, %r12, %r13}, "
                    "{%r20, %r21}, {%r30, %r31, %r32, %r33};",
                4, 2),
      environment);
  ASSERT_EQ(outcome.error, "");
  auto valueOf = [](uint8_t byte, const std::string &type) {
    return type == "s8" ? int(int8_t(byte)) : int(byte);
  };
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      auto [row, column] = placeInC(lane, i);
      int expected = 5;
      for (int x = 0; x < 32; ++x)
        expected += valueOf(a[row][x], aType) * valueOf(b[x][column], bType);
      EXPECT_EQ(int(outcome.words[4 * lane + i]), expected);
    }
}

TEST(Tensor, mmaOfBytes) {
  checkBytes("s8", "s8");
  checkBytes("u8", "s8");
}

TEST(Tensor, mmaNeedsTheWholeWarp) {
  std::string mma =
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%r30, %r31, %r32, %r33}, {%r10, %r11, %r12, %r13}, {%r20, %r21}, "
      "{%r30, %r31, %r32, %r33};";
  Outcome outcome =
      run("setp.lt.u32 %p1, %tid, 16; @!%p1 bra DONE; " + mma + "DONE: ret;");
  EXPECT_THAT(outcome.error, ::testing::HasSubstr("needs all lanes"));
  // A branch that all take is none.
  outcome =
      run("setp.lt.u32 %p1, %tid, 64; @!%p1 bra DONE; " + mma + "DONE: ret;");
  EXPECT_EQ(outcome.error, "");
  outcome = run("setp.lt.u32 %p1, %tid, 16; @%p1 " + mma + "ret;");
  EXPECT_THAT(outcome.error, ::testing::HasSubstr("needs all lanes"));
}

/// Shared memory with element (matrix, row, column) = 64 matrix + 8 row +
/// column, row after row, and then `load` with %r1 as each lane's address.
Outcome runLdmatrix(const std::string &load) {
  Environment environment;
  environment.sharedBytes = 512;
  return run("mul.lo.u32 %r2, %tid, 8; mov.u32 %r3, smem;"
             "mul.lo.u32 %r4, %tid, 16; add.u32 %r1, %r3, %r4;"
             "add.u32 %r5, %r2, 1; shl.b32 %r5, %r5, 16; or.b32 %r5, %r5, %r2;"
             "add.u32 %r6, %r5, 0x20002; add.u32 %r7, %r6, 0x20002;"
             "add.u32 %r8, %r7, 0x20002;"
             "st.shared.v4.b32 [%r1], {%r5, %r6, %r7, %r8};"
             "bar.warp.sync 0xffffffff;" +
                 load +
                 "mul.wide.u32 %rd1, %tid, 16; add.s64 %rd1, %out, %rd1;"
                 "st.global.v4.b32 [%rd1], {%r10, %r11, %r12, %r13}; ret;",
             environment);
}

TEST(Tensor, ldmatrixGivesRowsToQuads) {
  Outcome outcome = runLdmatrix(
      "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10,%r11,%r12,%r13}, [%r1];");
  ASSERT_EQ(outcome.error, "");
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t low = 64 * i + 8 * (lane / 4) + 2 * (lane % 4);
      EXPECT_EQ(outcome.words[4 * lane + i], low | (low + 1) << 16);
    }
  EXPECT_EQ(outcome.counters.ldmatrix, 1u);
}

TEST(Tensor, ldmatrixTransposes) {
  Outcome outcome =
      runLdmatrix("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 "
                  "{%r10,%r11,%r12,%r13}, [%r1];");
  ASSERT_EQ(outcome.error, "");
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t low = 64 * i + 8 * 2 * (lane % 4) + lane / 4;
      EXPECT_EQ(outcome.words[4 * lane + i], low | (low + 8) << 16);
    }
}

TEST(Tensor, ldmatrixTakesTheAddressesItNeeds) {
  // Of x2 the first sixteen; the others may be anything.
  Outcome outcome =
      runLdmatrix("setp.ge.u32 %p1, %tid, 16; selp.u32 %r1, 77777, %r1, %p1;"
                  "mov.u32 %r12, 0; mov.u32 %r13, 0;"
                  "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r10, %r11}, "
                  "[%r1];");
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.words[4 * 31 + 1], 64u + 62 | (64u + 63) << 16);
  outcome = runLdmatrix("add.u32 %r1, %r1, 8;"
                        "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r10}, "
                        "[%r1];");
  EXPECT_THAT(outcome.error, ::testing::HasSubstr("is not aligned"));
}

TEST(Tensor, stmatrixIsTheOpposite) {
  Outcome outcome = runLdmatrix(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 "
      "{%r20,%r21,%r22,%r23}, [%r1];"
      "stmatrix.sync.aligned.m8n8.x4.shared.b16 [%r1], {%r20,%r21,%r22,%r23};"
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 "
      "{%r10,%r11,%r12,%r13}, [%r1];");
  ASSERT_EQ(outcome.error, "");
  // Transposed twice.
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t low = 64 * i + 8 * (lane / 4) + 2 * (lane % 4);
      EXPECT_EQ(outcome.words[4 * lane + i], low | (low + 1) << 16);
    }
}

} // namespace
