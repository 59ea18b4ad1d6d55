// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of types is compared with the one that the format publishes.

#include "TestBlocks.h"

#include <gtest/gtest.h>

#include <set>

using namespace flow::ggml;

namespace {
struct Entry {
  uint32_t id;
  const char *name;
  uint32_t elements, bytes;
};

const Entry kTypes[] = {
    {0, "F32", 1, 4},         {1, "F16", 1, 2},
    {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
    {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},
    {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},
    {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136},
    {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},
    {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
    {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18},
    {42, "Q2_0", 64, 18},
};
} // namespace

TEST(Types, TableIsTheFormats) {
  for (const Entry &entry : kTypes) {
    std::optional<TypeInfo> info = typeInfo(entry.id);
    ASSERT_TRUE(info) << entry.name;
    EXPECT_EQ(info->name, entry.name);
    EXPECT_EQ(info->blockElements, entry.elements) << entry.name;
    EXPECT_EQ(info->blockBytes, entry.bytes) << entry.name;
    EXPECT_EQ(typeName(static_cast<Type>(entry.id)), entry.name);
  }
}

TEST(Types, OtherIdsAreUnknown) {
  std::set<uint32_t> known;
  for (const Entry &entry : kTypes)
    known.insert(entry.id);
  for (uint32_t id = 0; id != 1000; ++id)
    EXPECT_EQ(typeInfo(id).has_value(), known.count(id) == 1) << id;
  EXPECT_FALSE(typeInfo(UINT32_MAX));
  EXPECT_EQ(typeName(static_cast<Type>(4)), "unknown");
}

TEST(Types, DecodableTypes) {
  std::set<uint32_t> decodable = {uint32_t(Type::F32), uint32_t(Type::F16),
                                  uint32_t(Type::BF16)};
  for (Type type : quantisedTypes())
    decodable.insert(uint32_t(type));
  for (uint32_t id = 0; id != 64; ++id)
    EXPECT_EQ(isDecodable(static_cast<Type>(id)), decodable.count(id) == 1)
        << id;
}

TEST(Types, IntegerForms) {
  struct Expected {
    Type type;
    int64_t block;
    bool hasMin, scaleIsF16;
  };
  const Expected kForms[] = {
      {Type::Q8_0, 32, false, true},  {Type::Q4_0, 32, false, true},
      {Type::Q5_0, 32, false, true},  {Type::IQ4_NL, 32, false, true},
      {Type::Q4_1, 32, true, true},   {Type::Q5_1, 32, true, true},
      {Type::Q4_K, 32, true, false},  {Type::Q5_K, 32, true, false},
      {Type::Q2_K, 16, true, false},  {Type::Q3_K, 16, false, false},
      {Type::Q6_K, 16, false, false}, {Type::IQ4_XS, 32, false, false},
  };
  std::set<uint32_t> withForm;
  for (const Expected &expected : kForms) {
    withForm.insert(uint32_t(expected.type));
    std::optional<IntegerForm> form = integerForm(expected.type);
    ASSERT_TRUE(form) << typeName(expected.type);
    EXPECT_EQ(form->block, expected.block) << typeName(expected.type);
    EXPECT_EQ(form->hasMin, expected.hasMin) << typeName(expected.type);
    EXPECT_EQ(form->scaleIsF16, expected.scaleIsF16) << typeName(expected.type);
  }
  for (uint32_t id = 0; id != 64; ++id)
    EXPECT_EQ(integerForm(static_cast<Type>(id)).has_value(),
              withForm.count(id) == 1)
        << id;
}
