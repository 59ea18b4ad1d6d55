// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Right files: every value and tensor comes back as it was written.

#include "TestGguf.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

using namespace flow;
using testing::ElementsAre;

/// The value of an accessor that must have found one.
template <typename T> static T found(llvm::Expected<std::optional<T>> value) {
  if (!value) {
    ADD_FAILURE() << llvm::toString(value.takeError());
    return T();
  }
  if (!*value) {
    ADD_FAILURE() << "the key is missing";
    return T();
  }
  return std::move(**value);
}

template <typename T>
static bool isMissing(llvm::Expected<std::optional<T>> value) {
  return value && !*value;
}

/// The message of an accessor that must have failed.
template <typename T>
static std::string refusal(const GgufReader &file,
                           llvm::Expected<std::optional<T>> value) {
  return messageOf(std::move(value), file.path());
}

TEST(GgufReader, IntegersOfEveryWidth) {
  TestGguf gguf;
  gguf.number<uint8_t>("u8", U8, 200).number<int8_t>("i8", I8, -100);
  gguf.number<uint16_t>("u16", U16, 60000).number<int16_t>("i16", I16, -30000);
  gguf.u32("u32", 4000000000u).number<int32_t>("i32", I32, -2000000000);
  gguf.number<uint64_t>("u64", U64, INT64_MAX);
  gguf.number<int64_t>("i64", I64, INT64_MIN);
  auto file = mustOpen(gguf);
  ASSERT_TRUE(file);
  EXPECT_EQ(found(file->getInteger("u8")), 200);
  EXPECT_EQ(found(file->getInteger("i8")), -100);
  EXPECT_EQ(found(file->getInteger("u16")), 60000);
  EXPECT_EQ(found(file->getInteger("i16")), -30000);
  EXPECT_EQ(found(file->getInteger("u32")), 4000000000);
  EXPECT_EQ(found(file->getInteger("i32")), -2000000000);
  EXPECT_EQ(found(file->getInteger("u64")), INT64_MAX);
  EXPECT_EQ(found(file->getInteger("i64")), INT64_MIN);
}

TEST(GgufReader, IntegerBeyond63BitsIsRefused) {
  auto file = mustOpen(TestGguf()
                           .number<uint64_t>("big", U64, 1ull << 63)
                           .array<uint64_t>("bigs", U64, {1, 1ull << 63}));
  ASSERT_TRUE(file);
  EXPECT_EQ(
      refusal(*file, file->getInteger("big")),
      "key 'big' must be an integer below 2^63, found a value of type u64");
  EXPECT_EQ(refusal(*file, file->getIntegers("bigs")),
            "key 'bigs' must be an array of integers below 2^63, found an "
            "array of u64");
}

TEST(GgufReader, FloatsBoolsAndStrings) {
  auto file = mustOpen(TestGguf()
                           .f32("f32", 0.1f)
                           .number<double>("f64", F64, 0.1)
                           .number<uint8_t>("yes", BOOL, 1)
                           .number<uint8_t>("no", BOOL, 0)
                           .string("text", "b\xc3\xa4r")
                           .string("empty", ""));
  ASSERT_TRUE(file);
  EXPECT_EQ(found(file->getFloat("f32")), 0.1f);
  EXPECT_EQ(found(file->getFloat("f64")), 0.1);
  EXPECT_TRUE(found(file->getBool("yes")));
  EXPECT_FALSE(found(file->getBool("no")));
  EXPECT_EQ(found(file->getString("text")), "b\xc3\xa4r");
  EXPECT_EQ(found(file->getString("empty")), "");
}

TEST(GgufReader, Arrays) {
  auto file = mustOpen(TestGguf()
                           .array<int32_t>("ids", I32, {1, -2, 3})
                           .array<uint8_t>("flags", BOOL, {1, 0, 1})
                           .array<float>("scores", F32, {-1.5f, 2.0f})
                           .strings("words", {"a", "", "bc"})
                           .array<float>("none", F32, {}));
  ASSERT_TRUE(file);
  EXPECT_THAT(found(file->getIntegers("ids")), ElementsAre(1, -2, 3));
  EXPECT_THAT(found(file->getIntegers("flags")), ElementsAre(1, 0, 1));
  EXPECT_THAT(found(file->getFloats("scores")), ElementsAre(-1.5f, 2.0f));
  EXPECT_THAT(found(file->getStrings("words")), ElementsAre("a", "", "bc"));
  EXPECT_TRUE(found(file->getFloats("none")).empty());
  EXPECT_TRUE(file->isArray("ids"));
}

TEST(GgufReader, MissingKeysAreNoErrors) {
  auto file = mustOpen(TestGguf().u32("there", 1));
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->hasKey("there"));
  EXPECT_FALSE(file->isArray("there"));
  EXPECT_FALSE(file->hasKey("gone"));
  EXPECT_FALSE(file->isArray("gone"));
  EXPECT_TRUE(isMissing(file->getInteger("gone")));
  EXPECT_TRUE(isMissing(file->getFloat("gone")));
  EXPECT_TRUE(isMissing(file->getBool("gone")));
  EXPECT_TRUE(isMissing(file->getString("gone")));
  EXPECT_TRUE(isMissing(file->getIntegers("gone")));
  EXPECT_TRUE(isMissing(file->getFloats("gone")));
  EXPECT_TRUE(isMissing(file->getStrings("gone")));
}

TEST(GgufReader, KeysOfAnotherTypeAreRefused) {
  auto file = mustOpen(TestGguf()
                           .u32("number", 1)
                           .string("text", "1")
                           .array<int32_t>("ids", I32, {1})
                           .strings("words", {"a"}));
  ASSERT_TRUE(file);
  EXPECT_EQ(refusal(*file, file->getInteger("text")),
            "key 'text' must be an integer, found a value of type string");
  EXPECT_EQ(refusal(*file, file->getInteger("ids")),
            "key 'ids' must be an integer, found an array of i32");
  EXPECT_EQ(refusal(*file, file->getFloat("number")),
            "key 'number' must be a floating-point number, found a value of "
            "type u32");
  EXPECT_EQ(refusal(*file, file->getBool("number")),
            "key 'number' must be a bool, found a value of type u32");
  EXPECT_EQ(refusal(*file, file->getString("words")),
            "key 'words' must be a string, found an array of string");
  EXPECT_EQ(refusal(*file, file->getIntegers("words")),
            "key 'words' must be an array of integers, found an array of "
            "string");
  EXPECT_EQ(refusal(*file, file->getFloats("ids")),
            "key 'ids' must be an array of f32, found an array of i32");
  EXPECT_EQ(
      refusal(*file, file->getStrings("text")),
      "key 'text' must be an array of strings, found a value of type string");
}

TEST(GgufReader, TensorsWithShapesAndData) {
  auto file = mustOpen(TestGguf()
                           .tensor("vector", {5})
                           .tensor("matrix", {64, 3}, ggml::Type::Q8_0)
                           .tensor("block", {2, 3, 4, 5}, ggml::Type::F16));
  ASSERT_TRUE(file);
  ASSERT_EQ(file->tensors().size(), 3u);
  const GgufTensor *vector = file->findTensor("vector");
  const GgufTensor *matrix = file->findTensor("matrix");
  const GgufTensor *block = file->findTensor("block");
  ASSERT_TRUE(vector && matrix && block);
  EXPECT_EQ(file->findTensor("gone"), nullptr);
  EXPECT_THAT(vector->dims, ElementsAre(5));
  EXPECT_THAT(matrix->dims, ElementsAre(3, 64));
  EXPECT_THAT(block->dims, ElementsAre(5, 4, 3, 2));
  EXPECT_EQ(vector->bytes, 20u);
  EXPECT_EQ(matrix->bytes, 2u * 3 * 34);
  EXPECT_EQ(block->bytes, 240u);
  EXPECT_EQ(matrix->type, ggml::Type::Q8_0);
  // The first lies at the start of the data, the second after 20 bytes
  // rounded up to 32; the byte at i is 7 i + 1.
  EXPECT_EQ(vector->data[0], std::byte(1));
  EXPECT_EQ(vector->data[19], std::byte(7 * 19 + 1));
  EXPECT_EQ(matrix->data - vector->data, 32);
  EXPECT_EQ(block->data - matrix->data, 224);
}

TEST(GgufReader, AlignmentOfTheFileIsKept) {
  TestGguf gguf;
  gguf.alignment = 256;
  gguf.u32("general.alignment", 256).tensor("a", {3}).tensor("b", {3});
  auto file = mustOpen(gguf);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->findTensor("b")->data - file->findTensor("a")->data, 256);
}

TEST(GgufReader, VersionTwoIsReadAlike) {
  TestGguf gguf;
  gguf.version = 2;
  auto file = mustOpen(gguf.u32("key", 7));
  ASSERT_TRUE(file);
  EXPECT_EQ(found(file->getInteger("key")), 7);
}

TEST(GgufReader, EmptyFileOfNothingIsRight) {
  auto file = mustOpen(TestGguf());
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->tensors().empty());
}

TEST(GgufReader, TensorsMayLieInAnyOrder) {
  TestGguf gguf;
  gguf.tensor("a", {8}).tensor("b", {8});
  gguf.at("a").offset = 32;
  gguf.at("b").offset = 0;
  auto file = mustOpen(gguf);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->findTensor("a")->data - file->findTensor("b")->data, 32);
}

TEST(GgufReader, DigestIsOfTheHeaderAlone) {
  TestGguf gguf;
  gguf.u32("key", 1).tensor("a", {8});
  std::string bytes = gguf.bytes(), otherData = bytes;
  otherData.back() ^= 1;
  TestFile original(bytes), sameHeader(otherData);
  gguf.replace<uint32_t>("key", U32, 2);
  TestFile otherHeader(gguf);
  auto digestOf = [](const TestFile &file) {
    return llvm::cantFail(GgufReader::open(file.path()))->headerDigest();
  };
  EXPECT_EQ(digestOf(original), digestOf(sameHeader));
  EXPECT_NE(digestOf(original), digestOf(otherHeader));
}

TEST(GgufReader, ReleasedPagesReadTheSameAgain) {
  TestGguf gguf;
  gguf.tensor("a", {1 << 16});
  TestFile onDisk(gguf);
  auto file = llvm::cantFail(GgufReader::open(onDisk.path()));
  const GgufTensor &tensor = file->tensors().front();
  auto sum = [&] {
    uint64_t result = 0;
    for (uint64_t i = 0; i != tensor.bytes; ++i)
      result += (i + 1) * static_cast<uint64_t>(tensor.data[i]);
    return result;
  };
  uint64_t before = sum();
  GgufReader::releasePages(tensor.data, tensor.bytes);
  EXPECT_EQ(sum(), before);
  GgufReader::releasePages(tensor.data + 1, 1); // less than a page: nothing
  EXPECT_EQ(sum(), before);
}
