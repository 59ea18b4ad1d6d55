// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic and conversions of floats.

#include "EmulatorTesting.h"

#include <cmath>
#include <limits>

using namespace flow::emulator::testing;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kDenormal = 1e-40f;

/// `%f0 = op(%f1, %f2, %f3)` of one triple.
float computeFloat(const std::string &instruction, float a, float b = 0,
                   float c = 0) {
  return floatOf(compute("mov.b32 %f1, %r1; mov.b32 %f2, %r2;"
                         "mov.b32 %f3, %r3; " +
                             instruction + "mov.b32 %r0, %f0;",
                         {bitsOf(a)}, {bitsOf(b)}, {bitsOf(c)})[0]);
}

uint32_t computeBits(const std::string &instruction, uint32_t a, uint32_t b = 0,
                     uint32_t c = 0) {
  return compute(instruction, {a}, {b}, {c})[0];
}

TEST(Floats, arithmeticRoundsToNearest) {
  float a = 1.0f, b = 0x1p-24f; // half a unit in the last place
  EXPECT_EQ(computeFloat("add.rn.f32 %f0, %f1, %f2;", a, b), 1.0f);
  EXPECT_EQ(computeFloat("add.f32 %f0, %f1, %f2;", a, 3 * b), 1 + 0x1p-22f);
  EXPECT_EQ(computeFloat("sub.f32 %f0, %f1, %f2;", 5, 7), -2);
  EXPECT_EQ(computeFloat("mul.rn.f32 %f0, %f1, %f2;", 3, 0.1f), 3 * 0.1f);
  EXPECT_EQ(computeFloat("div.rn.f32 %f0, %f1, %f2;", 1, 3), 1.0f / 3);
  EXPECT_EQ(computeFloat("sqrt.rn.f32 %f0, %f1;", 2), std::sqrt(2.0f));
  EXPECT_EQ(computeFloat("rcp.rn.f32 %f0, %f1;", 0), kInfinity);
}

TEST(Floats, sumsAndProductsRoundAsTheyAreTold) {
  auto bits = [](const std::string &direction, float sign) {
    // Three quarters of the way from 1 to the next number.
    return computeFloat("add." + direction + ".f32 %f0, %f1, %f2;", sign,
                        sign * 0x1.8p-24f);
  };
  float above = 1 + 0x1p-23f;
  EXPECT_EQ(bits("rz", 1), 1);
  EXPECT_EQ(bits("rm", 1), 1);
  EXPECT_EQ(bits("rp", 1), above);
  EXPECT_EQ(bits("rz", -1), -1);
  EXPECT_EQ(bits("rm", -1), -above);
  EXPECT_EQ(bits("rp", -1), -1);
  EXPECT_EQ(computeFloat("sub.rp.f32 %f0, %f1, %f2;", 1, -0x1p-30f), above);
  EXPECT_EQ(computeFloat("mul.rm.f32 %f0, %f1, %f2;", above, above),
            1 + 0x1p-22f);
  EXPECT_EQ(computeFloat("mul.rp.f32 %f0, %f1, %f2;", above, above),
            1 + 3 * 0x1p-23f);
  EXPECT_EQ(computeFloat("fma.rm.f32 %f0, %f1, %f2, %f3;", above, above, -1),
            0x1p-22f);
  EXPECT_EQ(computeFloat("fma.rz.ftz.f32 %f0, %f1, %f2, %f3;", 3, 0x1p-25f, 1),
            1);
  EXPECT_EQ(computeFloat("add.f32 %f0, %f1, %f2;", 1, 0x1.8p-24f), above);
  EXPECT_EQ(computeBits("cvt.f64.f32 %fd1, %r1; cvt.f64.f32 %fd2, %r2;"
                        "add.rp.f64 %fd1, %fd1, %fd2; mov.b64 %rd1, %fd1;"
                        "cvt.u32.u64 %r0, %rd1;",
                        bitsOf(1), bitsOf(0x1p-60f)),
            1u);
}

TEST(Floats, fmaRoundsOnce) {
  // The product is 1 - 2^-46; rounded first, the sum would be zero.
  float a = 1 + 0x1p-23f, b = 1 - 0x1p-23f;
  EXPECT_EQ(computeFloat("fma.rn.f32 %f0, %f1, %f2, %f3;", a, b, -1),
            -0x1p-46f);
}

TEST(Floats, flushOnlyWhereItIsWritten) {
  EXPECT_EQ(computeFloat("add.f32 %f0, %f1, %f2;", kDenormal, 0), kDenormal);
  EXPECT_EQ(computeFloat("add.ftz.f32 %f0, %f1, %f2;", kDenormal, 0), 0);
  EXPECT_EQ(computeFloat("mul.ftz.f32 %f0, %f1, %f2;", 1e-20f, 1e-20f), 0);
  float negative = computeFloat("mul.ftz.f32 %f0, %f1, %f2;", -1e-20f, 1e-20f);
  EXPECT_EQ(negative, 0);
  EXPECT_TRUE(std::signbit(negative));
  EXPECT_EQ(computeBits("setp.gt.ftz.f32 %p1, %r1, 0f00000000;"
                        "selp.u32 %r0, 1, 0, %p1;",
                        bitsOf(kDenormal)),
            0u);
}

TEST(Floats, minAndMaxPreferNumbers) {
  float nan = std::nanf("");
  EXPECT_EQ(computeFloat("min.f32 %f0, %f1, %f2;", nan, 3), 3);
  EXPECT_EQ(computeFloat("max.f32 %f0, %f1, %f2;", 3, nan), 3);
  EXPECT_TRUE(std::isnan(computeFloat("max.NaN.f32 %f0, %f1, %f2;", 3, nan)));
  EXPECT_TRUE(
      std::signbit(computeFloat("min.f32 %f0, %f1, %f2;", 0.0f, -0.0f)));
}

TEST(Floats, signs) {
  EXPECT_EQ(computeFloat("neg.f32 %f0, %f1;", 2), -2);
  EXPECT_EQ(computeFloat("abs.f32 %f0, %f1;", -2), 2);
  EXPECT_EQ(computeFloat("copysign.f32 %f0, %f1, %f2;", -1, 3), -3);
}

TEST(Floats, saturation) {
  EXPECT_EQ(computeFloat("add.sat.f32 %f0, %f1, %f2;", 1, 1), 1);
  EXPECT_EQ(computeFloat("add.sat.f32 %f0, %f1, %f2;", -1, 0), 0);
  EXPECT_EQ(computeFloat("add.sat.f32 %f0, %f1, %f2;", std::nanf(""), 0), 0);
}

/// Relative difference; the functions are to be right to two units.
void expectClose(float found, double expected) {
  EXPECT_NEAR(found, expected, std::fabs(expected) * 0x1p-22);
}

TEST(Floats, specialFunctions) {
  expectClose(computeFloat("ex2.approx.ftz.f32 %f0, %f1;", 3.3f),
              std::exp2(3.3f));
  expectClose(computeFloat("lg2.approx.f32 %f0, %f1;", 10), std::log2(10));
  expectClose(computeFloat("rsqrt.approx.f32 %f0, %f1;", 10),
              1 / std::sqrt(10));
  expectClose(computeFloat("tanh.approx.f32 %f0, %f1;", 0.3f), std::tanh(0.3f));
  expectClose(computeFloat("sin.approx.f32 %f0, %f1;", 1), std::sin(1));
  expectClose(computeFloat("cos.approx.f32 %f0, %f1;", 1), std::cos(1));
  EXPECT_EQ(computeFloat("ex2.approx.ftz.f32 %f0, %f1;", -140), 0);
  EXPECT_EQ(computeFloat("ex2.approx.f32 %f0, %f1;", -kInfinity), 0);
  EXPECT_EQ(computeFloat("lg2.approx.f32 %f0, %f1;", 0), -kInfinity);
  EXPECT_EQ(computeFloat("rcp.approx.ftz.f32 %f0, %f1;", kInfinity), 0);
}

TEST(Floats, comparisonsTellNanApart) {
  uint32_t nan = bitsOf(std::nanf(""));
  auto holds = [&](const char *how, uint32_t a, uint32_t b) {
    return computeBits(std::string("setp.") + how +
                           ".f32 %p1, %r1, %r2; selp.u32 %r0, 1, 0, %p1;",
                       a, b) == 1;
  };
  EXPECT_FALSE(holds("ne", nan, 0));
  EXPECT_TRUE(holds("neu", nan, 0));
  EXPECT_FALSE(holds("lt", nan, 0));
  EXPECT_TRUE(holds("geu", nan, 0));
  EXPECT_TRUE(holds("nan", nan, 0));
  EXPECT_TRUE(holds("num", bitsOf(1), bitsOf(2)));
  EXPECT_TRUE(holds("eq", bitsOf(0.0f), bitsOf(-0.0f)));
}

TEST(Floats, toIntegers) {
  EXPECT_EQ(computeBits("cvt.rzi.s32.f32 %r0, %r1;", bitsOf(-2.7f)),
            uint32_t(-2));
  EXPECT_EQ(computeBits("cvt.rni.s32.f32 %r0, %r1;", bitsOf(2.5f)), 2u);
  EXPECT_EQ(computeBits("cvt.rmi.s32.f32 %r0, %r1;", bitsOf(-2.1f)),
            uint32_t(-3));
  EXPECT_EQ(computeBits("cvt.rpi.s32.f32 %r0, %r1;", bitsOf(2.1f)), 3u);
  EXPECT_EQ(computeBits("cvt.rzi.s32.f32 %r0, %r1;", bitsOf(1e20f)),
            0x7fffffffu);
  EXPECT_EQ(computeBits("cvt.rzi.u32.f32 %r0, %r1;", bitsOf(-5)), 0u);
  EXPECT_EQ(computeBits("cvt.rzi.s32.f32 %r0, %r1;", bitsOf(std::nanf(""))),
            0u);
  EXPECT_EQ(computeBits("cvt.rni.f32.f32 %r0, %r1;", bitsOf(3.5f)), bitsOf(4));
}

TEST(Floats, fromIntegers) {
  EXPECT_EQ(computeBits("cvt.rn.f32.s32 %r0, %r1;", uint32_t(-7)), bitsOf(-7));
  EXPECT_EQ(computeBits("cvt.rn.f32.u32 %r0, %r1;", 0xffffffff),
            bitsOf(4294967296.0f));
  EXPECT_EQ(computeBits("cvt.rn.f16.s32 %h1, %r1; cvt.u32.u16 %r0, %h1;", 3),
            0x4200u);
}

TEST(Floats, doublesAreDoubles) {
  EXPECT_EQ(computeBits("cvt.f64.f32 %fd1, %r1; cvt.f64.f32 %fd2, %r2;"
                        "add.f64 %fd3, %fd1, %fd2; sub.f64 %fd3, %fd3, %fd1;"
                        "cvt.rn.f32.f64 %r0, %fd3;",
                        bitsOf(1), bitsOf(0x1p-40f)),
            bitsOf(0x1p-40f));
  EXPECT_EQ(computeBits("mov.f64 %fd1, 0d4008000000000000;"
                        "cvt.rn.f32.f64 %r0, %fd1;",
                        0),
            bitsOf(3));
}

TEST(Floats, halvesConvert) {
  EXPECT_EQ(computeBits("cvt.u16.u32 %h1, %r1; cvt.f32.f16 %r0, %h1;", 0x3555),
            bitsOf(0.333251953125f));
  EXPECT_EQ(computeBits("cvt.u16.u32 %h1, %r1; cvt.f32.f16 %r0, %h1;", 0x0001),
            bitsOf(0x1p-24f));
  EXPECT_EQ(computeBits("cvt.rn.f16.f32 %h1, %r1; cvt.u32.u16 %r0, %h1;",
                        bitsOf(65520)),
            0x7c00u); // infinity
  EXPECT_EQ(
      computeBits("cvt.rn.f16x2.f32 %r0, %r1, %r2;", bitsOf(1), bitsOf(-2)),
      0x3c00c000u);
  EXPECT_EQ(computeBits("cvt.u16.u32 %h1, %r1; cvt.f32.bf16 %r0, %h1;", 0x3fc0),
            bitsOf(1.5f));
}

TEST(Floats, bfloatRoundsToNearestEven) {
  auto rounded = [](uint32_t bits) {
    return computeBits("cvt.rn.bf16.f32 %h1, %r1; cvt.u32.u16 %r0, %h1;", bits);
  };
  EXPECT_EQ(rounded(0x3f808000), 0x3f80u); // tie to even
  EXPECT_EQ(rounded(0x3f818000), 0x3f82u);
  EXPECT_EQ(rounded(0x3f808001), 0x3f81u);
  EXPECT_EQ(rounded(0x7f7fffff), 0x7f80u); // to infinity
  EXPECT_EQ(rounded(0x7fc12345), 0x7fffu); // NaN
  // The first operand goes into the high half.
  EXPECT_EQ(
      computeBits("cvt.rn.bf16x2.f32 %r0, %r1, %r2;", bitsOf(1), bitsOf(2)),
      0x3f804000u);
  EXPECT_EQ(computeBits("cvt.rn.relu.bf16x2.f32 %r0, %r1, %r2;", bitsOf(-1),
                        bitsOf(2)),
            0x00004000u);
}

TEST(Floats, packedHalvesAreTwoNumbers) {
  uint32_t a = 0x3f804040, b = 0x40003f80; // bf16 (3, 1) and (1, 2)
  EXPECT_EQ(computeBits("add.rn.bf16x2 %r0, %r1, %r2;", a, b), 0x40404080u);
  EXPECT_EQ(computeBits("mul.rn.bf16x2 %r0, %r1, %r2;", a, b), 0x40004040u);
  EXPECT_EQ(computeBits("fma.rn.bf16x2 %r0, %r1, %r2, %r3;", a, b, 0),
            0x40004040u);
  EXPECT_EQ(computeBits("neg.bf16x2 %r0, %r1;", a), 0xbf80c040u);
  EXPECT_EQ(computeBits("add.rn.f16x2 %r0, %r1, %r2;", 0x3c003c00, 0x40003c00),
            0x42004000u);
}

TEST(Floats, bfloatFmaRoundsOnce) {
  // 1 + 2^-8 is a tie, which the 2^-30 beyond f32 decides.
  uint32_t one = 0x3f80, tie = 0x3b80, bit = 0x3080; // 1, 2^-8, 2^-30
  EXPECT_EQ(computeBits("cvt.u16.u32 %h1, %r1; cvt.u16.u32 %h2, %r2;"
                        "cvt.u16.u32 %h3, %r3; fma.rn.bf16 %h4, %h1, %h2, %h3;"
                        "cvt.u32.u16 %r0, %h4;",
                        // (1 + 2^-7) * 2^-8 + 1: above the tie by 2^-15
                        0x3f81, tie, one),
            0x3f81u);
  // A product near 1 and a tiny addend: x = 1 + 2^-7, x * x = 1 + 2^-6 + 2^-14.
  EXPECT_EQ(computeBits("cvt.u16.u32 %h1, %r1; cvt.u16.u32 %h2, %r2;"
                        "cvt.u16.u32 %h3, %r3; fma.rn.bf16 %h4, %h1, %h2, %h3;"
                        "cvt.u32.u16 %r0, %h4;",
                        0x3f81, 0x3f81, bit),
            0x3f82u);
}

} // namespace
