// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Wrong files: each kind of lie is refused with a message that names it.

#include "TestGguf.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::HasSubstr;
using testing::StartsWith;

/// A right file of two keys and two tensors, to be made wrong.
static TestGguf smallFile() {
  TestGguf gguf;
  gguf.u32("first", 1).string("second", "text");
  gguf.tensor("a", {32, 2}).tensor("b", {32}, ggml::Type::Q8_0);
  return gguf;
}

TEST(HostileGguf, TheSmallFileIsRight) {
  EXPECT_EQ(readError(smallFile()), "no error");
}

TEST(HostileGguf, MissingFile) {
  std::string message =
      messageOf(GgufReader::open("/nowhere/model.gguf"), "/nowhere/model.gguf");
  EXPECT_THAT(message, StartsWith("cannot be read: "));
}

TEST(HostileGguf, Folder) {
  EXPECT_EQ(messageOf(GgufReader::open("/"), "/"), "is no regular file");
}

TEST(HostileGguf, EmptyAndTinyFiles) {
  EXPECT_EQ(readError(""), "has 0 bytes, too few for a GGUF file");
  EXPECT_EQ(readError("GGUF"), "has 4 bytes, too few for a GGUF file");
}

TEST(HostileGguf, ForeignFile) {
  EXPECT_EQ(readError("{\"__metadata__\": {\"format\": \"pt\"}}"),
            "is no GGUF file: it does not begin with 'GGUF'");
}

TEST(HostileGguf, Versions) {
  TestGguf gguf = smallFile();
  gguf.version = 1;
  EXPECT_EQ(readError(gguf), "has GGUF version 1, expected 2 or 3");
  gguf.version = 4;
  EXPECT_EQ(readError(gguf), "has GGUF version 4, expected 2 or 3");
  gguf.version = 0x03000000;
  EXPECT_EQ(readError(gguf), "is big-endian, which is not supported");
}

// Wherever a file is cut, something is missing, and that is what it says.
TEST(HostileGguf, CutAnywhere) {
  std::string bytes = smallFile().bytes();
  for (size_t size = 0; size != bytes.size(); ++size) {
    // Behind the last tensor there are up to 31 bytes of padding.
    bool onlyPadding = bytes.size() - size <= 64 - 34;
    EXPECT_EQ(readError(llvm::StringRef(bytes).take_front(size)) == "no error",
              onlyPadding)
        << size << " of " << bytes.size() << " bytes";
  }
}

TEST(HostileGguf, CutNamesThePlace) {
  std::string bytes = smallFile().bytes();
  EXPECT_EQ(readError(llvm::StringRef(bytes).take_front(100)),
            "a tensor's dimensions at byte 96 needs 8 bytes, 4 are left: the "
            "file is cut off or damaged");
  TestGguf gguf;
  gguf.u32("first", 1).string("second", std::string(100, 'x'));
  EXPECT_EQ(readError(llvm::StringRef(gguf.bytes()).take_front(100)),
            "a string of 'second' at byte 71 needs 100 bytes, 29 are left: "
            "the file is cut off or damaged");
}

TEST(HostileGguf, Counts) {
  for (uint64_t count : {uint64_t(1000), uint64_t(1) << 32, UINT64_MAX,
                         UINT64_MAX / 13, uint64_t(1) << 63}) {
    TestGguf keys = smallFile();
    keys.keyCount = count;
    EXPECT_EQ(readError(keys), "claims " + std::to_string(count) +
                                   " keys, more than its size can hold");
    TestGguf tensors = smallFile();
    tensors.tensorCount = count;
    EXPECT_EQ(readError(tensors), "claims " + std::to_string(count) +
                                      " tensors, more than its size can hold");
  }
}

TEST(HostileGguf, LongKey) {
  for (uint64_t size : {uint64_t(1) << 20, uint64_t(1) << 40, UINT64_MAX}) {
    TestGguf gguf;
    TestBytes bytes;
    bytes.text = gguf.bytes().substr(0, 16);
    bytes.put<uint64_t>(1).put(size).put<uint32_t>(U32).put<uint64_t>(0);
    EXPECT_EQ(readError(bytes.text),
              "a key at byte 32 needs " + std::to_string(size) +
                  " bytes, 12 are left: the file is cut off or damaged");
  }
}

TEST(HostileGguf, LongString) {
  for (uint64_t size : {uint64_t(1) << 30, UINT64_MAX, UINT64_MAX - 8}) {
    TestGguf gguf = smallFile();
    gguf.key("long", STRING, TestBytes().put(size));
    EXPECT_THAT(readError(gguf),
                testing::AllOf(
                    StartsWith("a string of 'long' at byte "),
                    HasSubstr("needs " + std::to_string(size) + " bytes, ")));
  }
}

TEST(HostileGguf, LongArrays) {
  for (uint64_t count : {uint64_t(1) << 30, uint64_t(1) << 61, UINT64_MAX,
                         (uint64_t(1) << 62) + 1}) {
    TestGguf numbers = smallFile();
    numbers.key("n", ARRAY, TestBytes().put<uint32_t>(I32).put(count));
    EXPECT_EQ(readError(numbers), "key 'n' claims " + std::to_string(count) +
                                      " elements, more than the file can hold");
    TestGguf strings = smallFile();
    strings.key("s", ARRAY, TestBytes().put<uint32_t>(STRING).put(count));
    EXPECT_EQ(readError(strings), "key 's' claims " + std::to_string(count) +
                                      " strings, more than the file can hold");
  }
}

TEST(HostileGguf, ArrayOfArrays) {
  TestGguf gguf = smallFile();
  gguf.key("deep", ARRAY, TestBytes().put<uint32_t>(ARRAY).put<uint64_t>(1));
  EXPECT_EQ(readError(gguf),
            "key 'deep' is an array of arrays, which no Gemma has");
}

TEST(HostileGguf, UnknownValueTypes) {
  for (uint32_t type : {13u, 255u, UINT32_MAX}) {
    EXPECT_EQ(readError(smallFile().key("k", type, TestBytes().put(0ull))),
              "key 'k' has the unknown type " + std::to_string(type));
    TestBytes array;
    array.put(type).put<uint64_t>(1).put(0ull);
    EXPECT_EQ(readError(smallFile().key("k", ARRAY, array)),
              "key 'k' has the unknown type " + std::to_string(type));
  }
}

TEST(HostileGguf, BoolsThatAreNeither) {
  EXPECT_EQ(readError(smallFile().number<uint8_t>("b", BOOL, 2)),
            "key 'b' has a bool that is 2, expected 0 or 1");
  EXPECT_EQ(readError(smallFile().array<uint8_t>("b", BOOL, {1, 255})),
            "key 'b' has a bool that is 255, expected 0 or 1");
}

TEST(HostileGguf, EmptyAndRepeatedKeys) {
  EXPECT_EQ(readError(smallFile().u32("", 1)), "has an empty key");
  EXPECT_EQ(readError(smallFile().u32("first", 2)),
            "has the key 'first' twice");
}

TEST(HostileGguf, Alignments) {
  for (uint32_t alignment : {0u, 3u, 48u, UINT32_MAX})
    EXPECT_EQ(readError(smallFile().u32("general.alignment", alignment)),
              "has the alignment " + std::to_string(alignment) +
                  ", expected a power of two");
  EXPECT_EQ(
      readError(smallFile().number<uint64_t>("general.alignment", U64, 32)),
      "key 'general.alignment' must be a u32");
  EXPECT_EQ(
      readError(smallFile().array<uint32_t>("general.alignment", U32, {32})),
      "key 'general.alignment' must be a u32");
}

TEST(HostileGguf, AlignmentBeyondTheFile) {
  EXPECT_THAT(readError(smallFile().u32("general.alignment", 1u << 31)),
              StartsWith("ends before its data begins at byte 2147483648"));
}

TEST(HostileGguf, TensorNames) {
  EXPECT_EQ(readError(smallFile().tensor("", {32})),
            "has a tensor name of 0 bytes, expected 1 to 63");
  EXPECT_EQ(readError(smallFile().tensor(std::string(64, 'n'), {32})),
            "has a tensor name of 64 bytes, expected 1 to 63");
  EXPECT_EQ(readError(smallFile().tensor(std::string(63, 'n'), {32})),
            "no error");
  EXPECT_EQ(readError(smallFile().tensor("a", {32})),
            "has the tensor 'a' twice");
}

TEST(HostileGguf, NumbersOfDimensions) {
  TestGguf gguf = smallFile();
  gguf.at("a").ne = {};
  EXPECT_EQ(readError(gguf), "tensor 'a' has 0 dimensions, expected 1 to 4");
  gguf.at("a").ne = {1, 1, 1, 1, 1};
  EXPECT_EQ(readError(gguf), "tensor 'a' has 5 dimensions, expected 1 to 4");
}

TEST(HostileGguf, DimensionOfNothing) {
  TestGguf gguf = smallFile();
  gguf.at("a").ne = {32, 0};
  EXPECT_EQ(readError(gguf),
            "tensor 'a' has a dimension of 0, expected at least 1");
}

TEST(HostileGguf, DimensionsThatOverflow) {
  TestGguf gguf = smallFile();
  // Modulo 2^64 each of these products is small.
  for (std::vector<uint64_t> ne :
       {std::vector<uint64_t>{32, uint64_t(1) << 59},
        std::vector<uint64_t>{uint64_t(1) << 32, uint64_t(1) << 32},
        std::vector<uint64_t>{1 << 16, 1 << 16, 1 << 16, 1 << 16},
        std::vector<uint64_t>{32, UINT64_MAX}}) {
    gguf.at("a").ne = ne;
    EXPECT_EQ(readError(gguf), "tensor 'a' has a dimension of " +
                                   std::to_string(ne.back()) +
                                   ", which makes more elements than 63 bits "
                                   "count");
  }
}

TEST(HostileGguf, SizeThatOverflows) {
  TestGguf gguf = smallFile();
  gguf.at("a").ne = {uint64_t(1) << 62}; // elements fit 63 bits, bytes do not
  EXPECT_EQ(readError(gguf), "tensor 'a' is larger than any file");
}

TEST(HostileGguf, UnknownAndRemovedTensorTypes) {
  for (uint32_t type : {4u, 5u, 31u, 38u, 43u, UINT32_MAX}) {
    TestGguf gguf = smallFile();
    gguf.at("a").type = type;
    EXPECT_EQ(readError(gguf),
              "tensor 'a' has the unknown type " + std::to_string(type));
  }
}

TEST(HostileGguf, RowsThatBlocksDoNotDivide) {
  TestGguf gguf = smallFile();
  gguf.at("b").ne = {33};
  EXPECT_EQ(readError(gguf), "tensor 'b' has rows of 33, which blocks of 32 "
                             "do not divide");
}

TEST(HostileGguf, MisalignedOffset) {
  TestGguf gguf = smallFile();
  gguf.at("b").offset = 257;
  EXPECT_EQ(readError(gguf), "tensor 'b' begins at offset 257, no multiple of "
                             "the alignment 32");
}

TEST(HostileGguf, OverlappingTensors) {
  TestGguf gguf = smallFile();
  gguf.at("b").offset = 224;
  EXPECT_EQ(readError(gguf), "tensor 'b' overlaps the tensor before it");
  gguf.at("b").offset = 0;
  EXPECT_EQ(readError(gguf), "tensor 'b' overlaps the tensor before it");
}

TEST(HostileGguf, TensorsBeyondTheEnd) {
  // The data has 256 + 64 bytes.
  for (uint64_t offset :
       {uint64_t(320), uint64_t(1) << 40, uint64_t(1) << 63, UINT64_MAX - 31}) {
    TestGguf gguf = smallFile();
    gguf.at("b").offset = offset;
    EXPECT_EQ(readError(gguf),
              "tensor 'b' needs bytes " + std::to_string(offset) + " to " +
                  std::to_string(offset) + " + 34 of the data, which has 320");
  }
  TestGguf gguf = smallFile();
  gguf.at("a").ne = {32, 1000};
  EXPECT_EQ(readError(gguf), "tensor 'a' needs bytes 0 to 0 + 128000 of the "
                             "data, which has 320");
}

TEST(HostileGguf, NamesAreMadeFitForOneLine) {
  EXPECT_EQ(readError(smallFile().u32("a\nb\x01", 1).u32("a\nb\x01", 1)),
            "has the key 'a\\0Ab\\01' twice");
  std::string longName(100, 'k');
  EXPECT_EQ(readError(smallFile().u32(longName, 1).u32(longName, 1)),
            "has the key '" + std::string(64, 'k') + "...' twice");
}

// Any single wrong byte either makes no difference to the structure or is
// refused; whatever is accepted stays inside the file.
TEST(HostileGguf, EveryByteReplaced) {
  std::string bytes = smallFile().bytes();
  for (size_t at = 0; at != bytes.size() - 320; ++at)
    for (unsigned char value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string wrong = bytes;
      wrong[at] = static_cast<char>(value);
      TestFile onDisk(wrong);
      llvm::Expected<std::unique_ptr<GgufReader>> file =
          GgufReader::open(onDisk.path());
      if (!file) {
        EXPECT_FALSE(llvm::toString(file.takeError()).empty());
        continue;
      }
      for (const GgufTensor &tensor : (*file)->tensors()) {
        // Touches the last byte.
        volatile std::byte last = tensor.data[tensor.bytes - 1];
        (void)last;
        EXPECT_LE(tensor.bytes, 320u);
      }
    }
}
