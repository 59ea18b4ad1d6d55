// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Safetensors files are read as they are, and hostile ones are refused.

#include "TestSafetensors.h"

#include "flow/Import/SafetensorsReader.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::StartsWith;

namespace {

/// What the reader says of a file of these bytes; "no error" if it reads them.
std::string errorOf(llvm::StringRef bytes) {
  TestFolder folder;
  folder.write("f", bytes);
  return folderMessage(SafetensorsReader::open(folder.path("f")), folder,
                       "f: ");
}

std::string errorOfHeader(llvm::StringRef header, size_t data = 0) {
  return errorOf(safetensors(header, data));
}

/// One tensor `t` of 8 bytes of data.
std::string errorOfTensor(llvm::StringRef dtype, llvm::StringRef shape,
                          uint64_t begin = 0, uint64_t end = 8) {
  return errorOfHeader("{" + tensorEntry("t", dtype, shape, begin, end) + "}",
                       8);
}

std::string errorOfIndex(llvm::StringRef text) {
  TestFolder folder;
  folder.write("i", text);
  return folderMessage(readShardIndex(folder.path("i")), folder, "i: ");
}

} // namespace

TEST(SafetensorsReader, TensorsInTheOrderOfTheirData) {
  TestFolder folder;
  folder.write("f",
               safetensors("{" + tensorEntry("b", "F16", "[3]", 24, 30) + "," +
                               tensorEntry("a", "F32", "[2,3]", 0, 24) +
                               R"(,"__metadata__":{"format":"pt"}}   )",
                           30));
  auto file = llvm::cantFail(SafetensorsReader::open(folder.path("f")));
  ASSERT_EQ(file->tensors().size(), 2u);
  const SafetensorsTensor &a = file->tensors()[0], &b = file->tensors()[1];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, ggml::Type::F32);
  EXPECT_EQ(llvm::ArrayRef<int64_t>(a.dims), llvm::ArrayRef<int64_t>({2, 3}));
  EXPECT_EQ(a.bytes, 24u);
  EXPECT_EQ(a.data[0], std::byte(1));
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.type, ggml::Type::F16);
  EXPECT_EQ(b.data[0], std::byte(25));
}

TEST(SafetensorsReader, OtherTypesAreKnownByName) {
  TestFolder folder;
  folder.write("f", safetensors("{" + tensorEntry("a", "F8_E4M3", "[2]", 0, 2) +
                                    "," +
                                    tensorEntry("b", "F4", "[2,3]", 2, 5) + "}",
                                5));
  auto file = llvm::cantFail(SafetensorsReader::open(folder.path("f")));
  EXPECT_EQ(file->tensors()[0].dtype, "F8_E4M3");
  EXPECT_EQ(file->tensors()[0].type, std::nullopt);
  EXPECT_EQ(file->tensors()[1].dtype, "F4");
}

TEST(SafetensorsReader, EmptyTensorsAndScalars) {
  EXPECT_EQ(errorOfHeader("{" + tensorEntry("e", "F32", "[0,7]", 4, 4) + "," +
                              tensorEntry("s", "F32", "[]", 0, 4) + "}",
                          4),
            "no error");
  EXPECT_EQ(errorOfHeader("{}"), "no error");
}

TEST(HostileSafetensors, LengthOfTheHeader) {
  EXPECT_EQ(errorOf("abc"), "has 3 bytes, too few for a safetensors file");
  std::string bytes = safetensors("{}", 0);
  for (uint64_t length : {uint64_t(3), uint64_t(100'000'001), uint64_t(1) << 63,
                          ~uint64_t(0), ~uint64_t(0) - 7}) {
    llvm::support::endian::write64le(bytes.data(), length);
    EXPECT_EQ(errorOf(bytes), "has a header of " + std::to_string(length) +
                                  " bytes, expected 2 at most");
  }
}

TEST(HostileSafetensors, EveryCutIsRefused) {
  std::string whole =
      safetensors("{" + tensorEntry("t", "F32", "[2]", 0, 8) + "}", 8);
  for (size_t size = 0; size != whole.size(); ++size)
    EXPECT_NE(errorOf(llvm::StringRef(whole).take_front(size)), "no error")
        << size;
  EXPECT_EQ(errorOf(whole), "no error");
  EXPECT_EQ(errorOf(whole + "x"), "has 9 bytes of data, its tensors 8");
}

TEST(HostileSafetensors, HeadersThatAreNoObjects) {
  EXPECT_THAT(errorOfHeader("{"), StartsWith("the header is no JSON: "));
  EXPECT_THAT(errorOfHeader("{}}"), StartsWith("the header is no JSON: "));
  EXPECT_THAT(errorOfHeader("{\"\xff\":1}"),
              StartsWith("the header is no JSON: "));
  EXPECT_EQ(errorOfHeader("[]"),
            "the header must hold a JSON object, found an array");
  EXPECT_EQ(errorOfHeader(R"({"t":1})"),
            "tensor 't' must be an object, found 1");
  EXPECT_EQ(errorOfHeader(R"({"__metadata__":[]})"),
            "__metadata__ must be an object, found an array");
  EXPECT_EQ(errorOfHeader(R"({"__metadata__":{"a":1}})"),
            "__metadata__ must hold strings, found 1 as 'a'");
}

TEST(HostileSafetensors, NestingThatWouldOverflowTheStack) {
  std::string deep(1'000'000, '[');
  EXPECT_EQ(errorOfHeader("{\"t\":" + deep + "}"),
            "the header is nested deeper than 64 at byte 68");
  // Brackets in strings are text.
  EXPECT_EQ(errorOfHeader(R"({"__metadata__":{"a":")" + deep + R"("}})"),
            "no error");
}

TEST(HostileSafetensors, NamesThatComeTwice) {
  std::string t = tensorEntry("t", "F32", "[2]", 0, 8);
  EXPECT_EQ(errorOfHeader("{" + t + "," + t + "}", 8),
            "the header gives 't' twice");
  std::string same = tensorEntry("\\u0074", "F32", "[2]", 0, 8);
  EXPECT_EQ(errorOfHeader("{" + t + ", " + same + "}", 8),
            "the header gives 't' twice");
}

TEST(HostileSafetensors, ShapesAndTypes) {
  EXPECT_EQ(errorOfTensor("F32", "[2]"), "no error");
  EXPECT_EQ(errorOfTensor("F33", "[2]"),
            "tensor 't' has the unknown dtype 'F33'");
  EXPECT_EQ(errorOfTensor("F32", "[3]"),
            "tensor 't' has 8 bytes, expected 96 bits of F32");
  EXPECT_EQ(errorOfTensor("F32", "[-2]"),
            "tensor 't' has the dimension -2, expected a count");
  EXPECT_EQ(errorOfTensor("F32", "[2.5]"),
            "tensor 't' has the dimension 2.5, expected a count");
  EXPECT_EQ(errorOfTensor("F32", "[\"2\"]"),
            "tensor 't' has the dimension '2', expected a count");
  // 2^61 + 2 floats wrap to 8 bytes.
  EXPECT_EQ(errorOfTensor("F32", "[2305843009213693954]"),
            "tensor 't' has more bits than 64 bits can count");
  EXPECT_EQ(errorOfTensor("F32", "[4294967296,4294967296,2]"),
            "tensor 't' has more bits than 64 bits can count");
  EXPECT_EQ(errorOfTensor("F32", "[1,1,1,1,1,1,1,1,2]"),
            "tensor 't' must have a shape of at most 8 dimensions");
  EXPECT_EQ(errorOfTensor("F32", "2"),
            "tensor 't' must have a shape of at most 8 dimensions");
  EXPECT_EQ(errorOfTensor("F4", "[17]"),
            "tensor 't' has 8 bytes, expected 68 bits of F4");
}

TEST(HostileSafetensors, Ranges) {
  constexpr llvm::StringLiteral kRange =
      "tensor 't' must have data_offsets in ascending order within the 8 bytes "
      "of data";
  EXPECT_EQ(errorOfTensor("F32", "[2]", 0, 9), kRange);
  EXPECT_EQ(errorOfTensor("F32", "[2]", 8, 0), kRange);
  EXPECT_EQ(errorOfTensor("F32", "[2]", ~uint64_t(0) - 7, 0), kRange);
  EXPECT_EQ(errorOfTensor("F32", "[1]", 4, 8),
            "tensor 't' begins at 4, expected 0, where the one before it ends");
  EXPECT_EQ(
      errorOfHeader(
          R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,-8]}})", 8),
      kRange);
  EXPECT_EQ(errorOfHeader(
                R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8),
            kRange);
  EXPECT_EQ(errorOfHeader(R"({"t":{"dtype":"F32","shape":[2]}})", 8), kRange);
  EXPECT_EQ(
      errorOfHeader(
          R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8),
      "tensor 't' has the unknown key 'x'");
}

TEST(HostileSafetensors, OverlapsAndGaps) {
  auto two = [](uint64_t begin, uint64_t end) {
    return "{" + tensorEntry("a", "U8", "[4]", 0, 4) + "," +
           tensorEntry("b", "U8", "[" + std::to_string(end - begin) + "]",
                       begin, end) +
           "}";
  };
  EXPECT_EQ(errorOfHeader(two(4, 8), 8), "no error");
  EXPECT_EQ(errorOfHeader(two(3, 8), 8),
            "tensor 'b' begins at 3, expected 4, where the one before it ends");
  EXPECT_EQ(errorOfHeader(two(5, 8), 8),
            "tensor 'b' begins at 5, expected 4, where the one before it ends");
  EXPECT_EQ(errorOfHeader(two(4, 7), 8), "has 8 bytes of data, its tensors 7");
  EXPECT_EQ(errorOfHeader(two(0, 4), 4),
            "tensor 'b' begins at 0, expected 4, where the one before it ends");
}

TEST(ShardIndex, FilesAndTensors) {
  TestFolder folder;
  folder.write("i", R"({"metadata":{"total_size":9},
                        "weight_map":{"a":"x","b":"y","c":"x"}})");
  ShardIndex index = llvm::cantFail(readShardIndex(folder.path("i")));
  ASSERT_EQ(index.files.size(), 2u);
  EXPECT_EQ(index.files[index.fileOfTensor["a"]], "x");
  EXPECT_EQ(index.files[index.fileOfTensor["b"]], "y");
  EXPECT_EQ(index.files[index.fileOfTensor["c"]], "x");
}

TEST(ShardIndex, OnlyPlainNames) {
  for (llvm::StringRef name :
       {"/etc/passwd", "../x", "a/b", "..", ".", "", "a\\\\b", "a\\u0000b"})
    EXPECT_THAT(
        errorOfIndex((R"({"weight_map":{"t":")" + name + "\"}}").str()),
        StartsWith("key 'weight_map' must hold plain file names, found "));
  EXPECT_EQ(errorOfIndex(R"({"weight_map":{"t":1}})"),
            "key 'weight_map' must hold plain file names, found 1 for 't'");
  EXPECT_EQ(errorOfIndex(R"({"weight_map":{}})"),
            "key 'weight_map' must name a file");
  EXPECT_EQ(errorOfIndex(R"({"weight_map":[]})"),
            "key 'weight_map' must be an object");
}
