// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Decoding is compared with values that ggml itself gave for the same bytes.

#include "TestBlocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

using namespace flow::ggml;

namespace {

/// What ggml decodes the golden block to. All these values are multiples of
/// 2^-5 and below 2^9, and their sums below 2^21, so that sums in double are
/// exact in any order and every comparison below is one of equality.
struct Golden {
  Type type;
  float first[4];
  float at16, at17, last;
  double sum, weightedSum; // the second of (e + 1) * y[e]
};

void PrintTo(const Golden &golden, std::ostream *out) {
  *out << typeName(golden.type);
}

const Golden kGolden[] = {
    {Type::Q4_0,
     {-0.1875f, 0.125f, 0.4375f, -0.25f},
     -0.1875f,
     -0.0625f,
     0.0f,
     -1.3125,
     -32.375},
    {Type::Q4_1,
     {0.96875f, 0.28125f, 0.59375f, 0.90625f},
     0.59375f,
     0.78125f,
     0.78125f,
     16.3125,
     265.4375},
    {Type::Q5_0,
     {0.5625f, -0.125f, 0.1875f, -0.5f},
     0.875f,
     0.0f,
     0.0625f,
     0.9375,
     7.0},
    {Type::Q5_1,
     {1.21875f, 1.53125f, 1.84375f, 1.15625f},
     1.21875f,
     0.34375f,
     0.34375f,
     32.5625,
     510.3125},
    {Type::Q8_0,
     {5.3125f, 7.625f, -6.0625f, -3.75f},
     -5.6875f,
     -3.375f,
     -3.0f,
     -11.0,
     -505.0},
    {Type::Q2_K,
     {2.0625f, 0.0f, 0.6875f, 1.375f},
     -0.09375f,
     -0.09375f,
     0.28125f,
     128.6875,
     15195.625},
    {Type::Q3_K,
     {5.0625f, -6.75f, 1.6875f, -3.375f},
     -6.0f,
     8.0f,
     2.625f,
     59.875,
     11071.5625},
    {Type::Q4_K,
     {19.71875f, -1.59375f, 8.09375f, 17.78125f},
     19.71875f,
     -1.59375f,
     3.03125f,
     3402.5,
     473302.5},
    {Type::Q5_K,
     {50.71875f, -1.59375f, 39.09375f, 17.78125f},
     50.71875f,
     -1.59375f,
     6.78125f,
     7263.5,
     1001715.5},
    {Type::Q6_K,
     {-89.4375f, 106.0f, 36.4375f, -33.125f},
     -27.0f,
     32.0f,
     -3.75f,
     288.25,
     49026.25},
    {Type::IQ4_NL,
     {-2.1875f, 1.5625f, 7.0625f, -3.0625f},
     -2.1875f,
     -0.625f,
     0.0625f,
     -16.0625,
     -432.4375},
    {Type::IQ4_XS,
     {4.0625f, -0.0625f, -4.3125f, 5.1875f},
     4.0625f,
     2.1875f,
     -1.0f,
     -687.8125,
     -130695.875},
};

class GoldenDecode : public testing::TestWithParam<Golden> {};

std::string nameOf(const testing::TestParamInfo<Golden> &info) {
  return std::string(typeName(info.param.type));
}

} // namespace

TEST_P(GoldenDecode, EqualsGgml) {
  const Golden &golden = GetParam();
  std::vector<std::byte> block = goldenBlock(golden.type);
  int64_t count = typeInfo(uint32_t(golden.type))->blockElements;
  std::vector<float> y(count);
  decodeRow(golden.type, block.data(), y.data(), count);
  for (int i = 0; i != 4; ++i)
    EXPECT_EQ(y[i], golden.first[i]) << "element " << i;
  EXPECT_EQ(y[16], golden.at16);
  EXPECT_EQ(y[17], golden.at17);
  EXPECT_EQ(y.back(), golden.last);
  double sum = 0, weightedSum = 0;
  for (int64_t e = 0; e != count; ++e) {
    sum += y[e];
    weightedSum += double(e + 1) * y[e];
  }
  EXPECT_EQ(sum, golden.sum);
  EXPECT_EQ(weightedSum, golden.weightedSum);
}

INSTANTIATE_TEST_SUITE_P(Types, GoldenDecode, testing::ValuesIn(kGolden),
                         nameOf);

TEST(Decode, GoldenValuesCoverEveryQuantisedType) {
  std::vector<Type> covered;
  for (const Golden &golden : kGolden)
    covered.push_back(golden.type);
  EXPECT_EQ(covered, quantisedTypes());
}

TEST(Decode, F32IsCopied) {
  const float values[] = {0.0f, -0.0f, 1.5f, 3e38f, -1e-45f};
  float out[5];
  decodeRow(Type::F32, reinterpret_cast<const std::byte *>(values), out, 5);
  EXPECT_EQ(std::memcmp(values, out, sizeof(values)), 0);
}

TEST(Decode, SixteenBitTypesAreWidened) {
  const uint16_t halves[] = {0x3c00, 0xc000, 0x7bff};
  const uint16_t brains[] = {0x3f80, 0xc000, 0x7f7f};
  float out[3];
  decodeRow(Type::F16, reinterpret_cast<const std::byte *>(halves), out, 3);
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], -2.0f);
  EXPECT_EQ(out[2], 65504.0f);
  decodeRow(Type::BF16, reinterpret_cast<const std::byte *>(brains), out, 3);
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], -2.0f);
  EXPECT_EQ(out[2], 0x1.fep127f);
}

TEST(Decode, ManyBlocksAreEachDecodedAlone) {
  for (Type type : quantisedTypes()) {
    SCOPED_TRACE(typeName(type));
    constexpr int64_t kBlocks = 7;
    TypeInfo info = *typeInfo(uint32_t(type));
    std::vector<std::byte> bytes = randomBlocks(type, kBlocks, 5);
    std::vector<float> together(kBlocks * info.blockElements);
    std::vector<float> alone(together.size());
    decodeRow(type, bytes.data(), together.data(), together.size());
    for (int64_t i = 0; i != kBlocks; ++i)
      decodeRow(type, bytes.data() + i * info.blockBytes,
                alone.data() + i * info.blockElements, info.blockElements);
    EXPECT_EQ(together, alone);
  }
}

TEST(Decode, DataMayBeUnaligned) {
  for (Type type : quantisedTypes()) {
    SCOPED_TRACE(typeName(type));
    TypeInfo info = *typeInfo(uint32_t(type));
    std::vector<std::byte> bytes = randomBlocks(type, 1, 6);
    std::vector<float> expected(info.blockElements), out(info.blockElements);
    decodeRow(type, bytes.data(), expected.data(), info.blockElements);
    for (size_t shift = 1; shift != 4; ++shift) {
      std::vector<std::byte> moved(shift + bytes.size());
      std::memcpy(moved.data() + shift, bytes.data(), bytes.size());
      decodeRow(type, moved.data() + shift, out.data(), info.blockElements);
      EXPECT_EQ(out, expected) << "moved by " << shift;
    }
  }
}

TEST(Decode, NoValuesFromNoBlocks) {
  float out = 42;
  for (Type type : quantisedTypes())
    decodeRow(type, nullptr, &out, 0);
  EXPECT_EQ(out, 42);
}

// A hostile file may hold any scale; what comes of it must not be read or
// written out of range, and an infinite scale shows in the values.
TEST(Decode, InfiniteScaleGivesNonFiniteValues) {
  for (Type type : quantisedTypes()) {
    SCOPED_TRACE(typeName(type));
    TypeInfo info = *typeInfo(uint32_t(type));
    std::vector<std::byte> bytes = goldenBlock(type);
    putF16(bytes, scaleOffsets(type).scale, 0x7c00);
    std::vector<float> out(info.blockElements);
    decodeRow(type, bytes.data(), out.data(), info.blockElements);
    bool someInfinite = false;
    for (float value : out)
      someInfinite |= std::isinf(value);
    EXPECT_TRUE(someInfinite);
  }
}
