// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The integer form of a row says the same as its decoded values.

#include "TestBlocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

using namespace flow::ggml;

namespace {

struct Unpacked {
  std::vector<int8_t> quants;
  std::vector<float> scales, minima;
};

/// `sentinel` fills the minima beforehand.
Unpacked unpack(Type type, const std::vector<std::byte> &bytes, int64_t count,
                float sentinel = 0) {
  int64_t block = integerForm(type)->block;
  Unpacked result{std::vector<int8_t>(count), std::vector<float>(count / block),
                  std::vector<float>(count / block, sentinel)};
  unpackRow(type, bytes.data(), result.quants.data(), result.scales.data(),
            result.minima.data(), count);
  return result;
}

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

class Unpack : public testing::TestWithParam<Type> {
protected:
  /// Two rounded operations: the compiler must not make them one.
  static float value(float scale, int8_t quant, float min, bool hasMin) {
    volatile float product = scale * static_cast<float>(quant);
    return hasMin ? product + min : product;
  }
};

} // namespace

TEST_P(Unpack, GivesTheDecodedValuesBitForBit) {
  constexpr int64_t kBlocks = 50;
  Type type = GetParam();
  IntegerForm form = *integerForm(type);
  int64_t count = kBlocks * typeInfo(uint32_t(type))->blockElements;
  std::vector<std::byte> bytes = randomBlocks(type, kBlocks, 1);
  std::vector<float> decoded(count);
  decodeRow(type, bytes.data(), decoded.data(), count);
  Unpacked parts = unpack(type, bytes, count);
  for (int64_t i = 0; i != count; ++i) {
    int64_t block = i / form.block;
    float expected = value(parts.scales[block], parts.quants[i],
                           parts.minima[block], form.hasMin);
    ASSERT_EQ(bitsOf(decoded[i]), bitsOf(expected)) << "element " << i;
  }
}

// Random blocks have every code of each type, so both ends are reached.
TEST_P(Unpack, GivesQuantsOfTheirRange) {
  constexpr int64_t kBlocks = 200;
  Type type = GetParam();
  IntegerForm form = *integerForm(type);
  int64_t count = kBlocks * typeInfo(uint32_t(type))->blockElements;
  Unpacked parts = unpack(type, randomBlocks(type, kBlocks, 2), count);
  auto [low, high] =
      std::minmax_element(parts.quants.begin(), parts.quants.end());
  EXPECT_EQ(*low, form.low);
  EXPECT_EQ(*high, form.high);
}

TEST(UnpackAll, LeavesMinimaAloneWhereThereAreNone) {
  for (Type type : quantisedTypes()) {
    if (integerForm(type)->hasMin)
      continue;
    SCOPED_TRACE(typeName(type));
    int64_t count = typeInfo(uint32_t(type))->blockElements;
    for (float min : unpack(type, goldenBlock(type), count, 42).minima)
      EXPECT_EQ(min, 42);
  }
}

TEST(UnpackAll, ScalesThatAreF16InTheFileSurviveF16) {
  for (Type type : quantisedTypes()) {
    if (!integerForm(type)->scaleIsF16)
      continue;
    SCOPED_TRACE(typeName(type));
    int64_t count = 20 * typeInfo(uint32_t(type))->blockElements;
    for (float scale : unpack(type, randomBlocks(type, 20, 2), count).scales)
      EXPECT_EQ(bitsOf(f16ToF32(f32ToF16(scale))), bitsOf(scale));
  }
}

TEST_P(Unpack, QuantsUseTheWholeRangeOfTheirType) {
  struct Range {
    int low, high;
  };
  auto rangeOf = [](Type type) -> Range {
    switch (type) {
    case Type::Q8_0:
      return {-128, 127};
    case Type::Q4_0:
      return {-8, 7};
    case Type::Q5_0:
      return {-16, 15};
    case Type::Q4_1:
    case Type::Q4_K:
      return {0, 15};
    case Type::Q5_1:
    case Type::Q5_K:
      return {0, 31};
    case Type::Q2_K:
      return {0, 3};
    case Type::Q3_K:
      return {-4, 3};
    case Type::Q6_K:
      return {-32, 31};
    default:
      return {-127, 113};
    }
  };
  Type type = GetParam();
  int64_t count = 400 * typeInfo(uint32_t(type))->blockElements;
  Unpacked parts = unpack(type, randomBlocks(type, 400, 3), count);
  int low = 127, high = -128;
  for (int8_t quant : parts.quants) {
    low = std::min<int>(low, quant);
    high = std::max<int>(high, quant);
  }
  EXPECT_EQ(low, rangeOf(type).low);
  EXPECT_EQ(high, rangeOf(type).high);
}

INSTANTIATE_TEST_SUITE_P(Types, Unpack, testing::ValuesIn(quantisedTypes()),
                         [](const testing::TestParamInfo<Type> &info) {
                           return std::string(typeName(info.param));
                         });

// Sub-blocks 4 to 7 take their scale and minimum from two places each.
TEST(UnpackQ4K, ScalesAndMinimaOfSixBits) {
  std::vector<std::byte> bytes(144);
  putF16(bytes, 0, 0x3c00); // 1
  putF16(bytes, 2, 0x3c00);
  bytes[4 + 0] = std::byte(0xc1); // scale 1; upper bits of scale 4: 3
  bytes[4 + 4] = std::byte(0x82); // minimum 2; upper bits of minimum 4: 2
  bytes[4 + 8] = std::byte(0x57); // lower bits of scale 4: 7, of minimum 4: 5
  Unpacked parts = unpack(Type::Q4_K, bytes, 256);
  EXPECT_EQ(parts.scales[0], 1);
  EXPECT_EQ(parts.minima[0], -2);
  EXPECT_EQ(parts.scales[4], 3 * 16 + 7);
  EXPECT_EQ(parts.minima[4], -(2 * 16 + 5));
}
