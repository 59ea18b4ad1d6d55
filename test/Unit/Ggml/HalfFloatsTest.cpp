// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The 16-bit formats are tested on all of their values.

#include "flow/Ggml/Types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

using namespace flow::ggml;

namespace {

float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// The value of finite f16 bits from the definition of the format.
double f16ByDefinition(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double magnitude = exponent == 0 ? std::ldexp(mantissa, -24)
                                   : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

} // namespace

TEST(HalfFloats, EveryFiniteF16HasItsValue) {
  for (uint32_t bits = 0; bits != 0x10000; ++bits) {
    if ((bits & 0x7c00) == 0x7c00)
      continue;
    float value = f16ToF32(bits);
    ASSERT_EQ(double(value), f16ByDefinition(bits)) << std::hex << bits;
    ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << std::hex << bits;
  }
}

TEST(HalfFloats, F16InfinityAndNaNStaySo) {
  EXPECT_EQ(f16ToF32(0x7c00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(f16ToF32(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(f16ToF32(0x7c01)));
  EXPECT_TRUE(std::isnan(f16ToF32(0xffff)));
}

TEST(HalfFloats, EveryF16SurvivesTheWayThroughF32) {
  for (uint32_t bits = 0; bits != 0x10000; ++bits) {
    float value = f16ToF32(bits);
    if (std::isnan(value))
      ASSERT_EQ(f32ToF16(value) & 0x7e00, 0x7e00) << std::hex << bits;
    else
      ASSERT_EQ(f32ToF16(value), bits) << std::hex << bits;
  }
}

// Between two neighbours a value goes to the nearer, and the middle to the
// even one.
TEST(HalfFloats, F32RoundsToTheNearestF16AndTiesToEven) {
  for (uint16_t bits = 0; bits != 0x7bff; ++bits) {
    float low = f16ToF32(bits), high = f16ToF32(bits + 1);
    float middle = low + (high - low) / 2; // exact: one more bit
    uint16_t even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(f32ToF16(middle), even) << std::hex << bits;
    ASSERT_EQ(f32ToF16(std::nextafter(middle, low)), bits);
    ASSERT_EQ(f32ToF16(std::nextafter(middle, high)), bits + 1);
    ASSERT_EQ(f32ToF16(-middle), even | 0x8000);
  }
}

TEST(HalfFloats, F16OverflowsAtTheMiddleAboveTheLargest) {
  EXPECT_EQ(f32ToF16(65504.0f), 0x7bff);
  EXPECT_EQ(f32ToF16(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(f32ToF16(65520.0f), 0x7c00);
  EXPECT_EQ(f32ToF16(-1e30f), 0xfc00);
  EXPECT_EQ(f32ToF16(std::numeric_limits<float>::infinity()), 0x7c00);
}

TEST(HalfFloats, EveryBf16SurvivesTheWayThroughF32) {
  for (uint32_t bits = 0; bits != 0x10000; ++bits) {
    float value = bf16ToF32(bits);
    if (std::isnan(value))
      ASSERT_TRUE(std::isnan(bf16ToF32(f32ToBf16(value)))) << std::hex << bits;
    else
      ASSERT_EQ(f32ToBf16(value), bits) << std::hex << bits;
  }
}

TEST(HalfFloats, Bf16IsTheUpperHalfOfF32) {
  EXPECT_EQ(bf16ToF32(0x3f80), 1.0f);
  EXPECT_EQ(bf16ToF32(0xc2f7), -123.5f);
  EXPECT_EQ(bf16ToF32(0x0001), floatOf(0x00010000));
}

TEST(HalfFloats, F32RoundsToTheNearestBf16AndTiesToEven) {
  for (uint32_t bits : {0x0000u, 0x0001u, 0x3f80u, 0x3f81u, 0x7f7eu}) {
    uint32_t middle = bits << 16 | 0x8000;
    EXPECT_EQ(f32ToBf16(floatOf(middle - 1)), bits);
    EXPECT_EQ(f32ToBf16(floatOf(middle)), bits % 2 == 0 ? bits : bits + 1);
    EXPECT_EQ(f32ToBf16(floatOf(middle + 1)), bits + 1);
  }
  // sqrt(2560), as rounded models scale their embedding.
  EXPECT_EQ(bf16ToF32(f32ToBf16(50.5964f)), 50.5f);
}

TEST(HalfFloats, NaNStaysNaNWhenItsLowBitsAreCut) {
  float quietInLowBits = floatOf(0x7f800001);
  EXPECT_TRUE(std::isnan(bf16ToF32(f32ToBf16(quietInLowBits))));
  EXPECT_TRUE(std::isnan(f16ToF32(f32ToF16(quietInLowBits))));
  EXPECT_EQ(f32ToBf16(std::numeric_limits<float>::infinity()), 0x7f80);
}
