// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The artefact's file: comes back as written, and is refused when it is not
// what was written.

#include "../Runtime/TestPlans.h"
#include "TestFolders.h"

#include "flow/Compiler/Artifact.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/xxhash.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

/// The beginning of a file of version 1.
const std::string kBeginning("FLOWART\x01", 8);

Artifact fullArtifact() {
  Artifact artifact;
  artifact.plan = runtime::fullPlan();
  // Bytes as objects have them, no bytes at all, and text that looks like the
  // file's own.
  artifact.objects = {std::string("\x7f"
                                  "ELF\0\0\n\r\xff",
                                  9),
                      "", kBeginning};
  artifact.triple = "x86_64-unknown-linux-gnu";
  artifact.cpu = "x86-64-v3";
  artifact.features = "+avx2,-avx512f";
  artifact.modelPath = "/models/a \"quoted\" näme.gguf";
  artifact.modelDigest = 0xfedcba9876543210;
  return artifact;
}

std::string sizeOf(uint64_t size) {
  std::string bytes(8, '\0');
  llvm::support::endian::write64le(bytes.data(), size);
  return bytes;
}

std::string block(const std::string &content) {
  return sizeOf(content.size()) + content;
}

/// `bytes` with the digest that makes a file of them.
std::string seal(const std::string &bytes) {
  return bytes + sizeOf(llvm::xxh3_64bits(bytes));
}

const char *const kHeader = R"({"model_digest":"1f","objects":1})";

class ArtifactTest : public testing::Test {
protected:
  std::string write(const Artifact &artifact) {
    EXPECT_EQ(errorOf(writeArtifact(artifact, path)), "no error");
    return readBytes(path);
  }

  /// What the reader says of a file of `bytes`, without the file's path.
  std::string readError(const std::string &bytes) {
    writeBytes(path, bytes);
    std::string message = errorOf(readArtifact(path));
    llvm::StringRef text = message;
    EXPECT_TRUE(text.consume_front(path + ": ")) << message;
    return text.str();
  }

  TestFolder folder;
  std::string path = folder.path("model.flow");
};

} // namespace

TEST_F(ArtifactTest, ComesBackAsWritten) {
  Artifact written = fullArtifact();
  write(written);
  llvm::Expected<Artifact> read = readArtifact(path);
  ASSERT_TRUE(bool(read)) << llvm::toString(read.takeError());
  EXPECT_EQ(runtime::toJson(read->plan), runtime::toJson(written.plan));
  EXPECT_EQ(read->objects, written.objects);
  EXPECT_EQ(read->triple, written.triple);
  EXPECT_EQ(read->cpu, written.cpu);
  EXPECT_EQ(read->features, written.features);
  EXPECT_EQ(read->modelPath, written.modelPath);
  EXPECT_EQ(read->modelDigest, written.modelDigest);
}

TEST_F(ArtifactTest, ComesBackWithNothingInIt) {
  Artifact written;
  written.plan = runtime::fullPlan();
  write(written);
  llvm::Expected<Artifact> read = readArtifact(path);
  ASSERT_TRUE(bool(read)) << llvm::toString(read.takeError());
  EXPECT_THAT(read->objects, IsEmpty());
  EXPECT_EQ(read->modelPath, "");
  EXPECT_EQ(read->modelDigest, 0u);
}

TEST_F(ArtifactTest, EqualArtifactsAreEqualBytes) {
  EXPECT_EQ(write(fullArtifact()), write(fullArtifact()));
}

TEST_F(ArtifactTest, IsKnownByItsBeginning) {
  std::string bytes = write(fullArtifact());
  EXPECT_TRUE(isArtifact(path));
  // One of another version is one, so that the reader can say what is wrong.
  bytes[7] = 2;
  writeBytes(path, bytes);
  EXPECT_TRUE(isArtifact(path));
  for (const char *other : {"", "FLOW", "GGUF\x03", "flowart\x01 and more"}) {
    writeBytes(path, other);
    EXPECT_FALSE(isArtifact(path)) << other;
  }
  EXPECT_FALSE(isArtifact(folder.path("absent")));
  EXPECT_FALSE(isArtifact(folder.path()));
}

TEST_F(ArtifactTest, RefusesAForeignFile) {
  EXPECT_EQ(readError(""), "is no artefact");
  EXPECT_EQ(readError("FLOWAR"), "is no artefact");
  EXPECT_EQ(readError(std::string("GGUF\x03\0\0\0", 8)), "is no artefact");
}

TEST_F(ArtifactTest, RefusesAnAbsentFile) {
  std::string absent = folder.path("absent.flow");
  EXPECT_EQ(errorOf(readArtifact(absent)),
            absent + ": cannot be read: No such file or directory");
  EXPECT_EQ(errorOf(readArtifact(folder.path())),
            folder.path() + ": cannot be read: Is a directory");
}

TEST_F(ArtifactTest, RefusesAnotherVersion) {
  std::string bytes = write(fullArtifact());
  // The digest is right: it is not what refuses the file.
  std::string other = bytes.substr(0, bytes.size() - 8);
  for (char version : {'\x00', '\x02', '\xff'}) {
    other[7] = version;
    EXPECT_EQ(readError(seal(other)), "is an artefact of another version");
  }
}

TEST_F(ArtifactTest, RefusesPrefixes) {
  std::string bytes = write(fullArtifact());
  // All around the beginning; a stride prime to 8 beyond.
  for (size_t size = 0; size < bytes.size(); size += size < 64 ? 1 : 7)
    ASSERT_EQ(readError(bytes.substr(0, size)),
              size < 7   ? "is no artefact"
              : size < 8 ? "is an artefact of another version"
                         : "is cut off or damaged: its digest does not match")
        << size << " of " << bytes.size() << " bytes";
}

TEST_F(ArtifactTest, RefusesFlippedBytes) {
  std::string bytes = write(fullArtifact());
  for (size_t i = 8; i < bytes.size(); i += i < 64 ? 1 : 7) {
    std::string damaged = bytes;
    damaged[i] ^= 1 << i % 8;
    ASSERT_EQ(readError(damaged),
              "is cut off or damaged: its digest does not match")
        << "byte " << i;
  }
}

TEST_F(ArtifactTest, RefusesBytesAfterItsEnd) {
  EXPECT_EQ(readError(write(fullArtifact()) + '\0'),
            "is cut off or damaged: its digest does not match");
}

TEST_F(ArtifactTest, HasTheFormThatTheseTestsWrite) {
  // A control of the tests below, which say that parts of this are wrong.
  writeBytes(path, seal(kBeginning + block(kHeader) +
                        block(runtime::toJson(runtime::fullPlan())) +
                        block("object")));
  llvm::Expected<Artifact> read = readArtifact(path);
  ASSERT_TRUE(bool(read)) << llvm::toString(read.takeError());
  EXPECT_EQ(read->modelDigest, 0x1fu);
  EXPECT_THAT(read->objects, ElementsAre("object"));
}

TEST_F(ArtifactTest, RefusesSizesBeyondTheFile) {
  std::string plan = block(runtime::toJson(runtime::fullPlan()));
  // 2^64 - 8 and more would come out small if a size were added to a position.
  for (uint64_t size : {uint64_t(1) << 40, uint64_t(0) - 8, uint64_t(0) - 1}) {
    EXPECT_EQ(readError(seal(kBeginning + sizeOf(size))),
              "lacks its header or plan");
    EXPECT_EQ(readError(seal(kBeginning + block(kHeader) + sizeOf(size))),
              "lacks its header or plan");
    EXPECT_EQ(
        readError(seal(kBeginning + block(kHeader) + plan + sizeOf(size))),
        "has an object that goes beyond its end");
  }
  EXPECT_EQ(readError(seal(kBeginning + block(kHeader) + plan + "short")),
            "has an object that goes beyond its end");
  EXPECT_EQ(readError(seal(kBeginning)), "lacks its header or plan");
}

TEST_F(ArtifactTest, RefusesAnotherNumberOfObjects) {
  std::string plan = block(runtime::toJson(runtime::fullPlan()));
  auto with = [&](const std::string &header) {
    return readError(seal(kBeginning + block(header) + plan + block("object")));
  };
  EXPECT_EQ(with(R"({"model_digest":"1f","objects":9223372036854775807})"),
            "has 1 objects, its header says 9223372036854775807");
  EXPECT_EQ(with(R"({"model_digest":"1f","objects":0})"),
            "has 1 objects, its header says 0");
  EXPECT_EQ(with(R"({"model_digest":"1f"})"),
            "has 1 objects, its header says -1");
}

TEST_F(ArtifactTest, RefusesABadHeader) {
  std::string plan = block(runtime::toJson(runtime::fullPlan()));
  for (const char *header :
       {"", "{", "[]", "{}", R"({"model_digest":"12x"})",
        R"({"model_digest":1})", R"({"model_digest":"11112222333344445"})"})
    EXPECT_THAT(readError(seal(kBeginning + block(header) + plan)),
                testing::StartsWith("has a bad header"))
        << header;
}

TEST_F(ArtifactTest, RefusesABadPlan) {
  EXPECT_THAT(
      readError(seal(kBeginning + block(kHeader) + block("{") + block("o"))),
      testing::HasSubstr("plan"));
}

TEST_F(ArtifactTest, ReplacesWhatIsThere) {
  writeBytes(path, "before");
  write(fullArtifact());
  EXPECT_EQ(errorOf(readArtifact(path)), "no error");
  EXPECT_THAT(folder.list(), ElementsAre("model.flow"));
}

TEST_F(ArtifactTest, LeavesNothingWhereItCannotWrite) {
  std::string nowhere = folder.path("no/such/folder.flow");
  EXPECT_THAT(errorOf(writeArtifact(fullArtifact(), nowhere)),
              testing::HasSubstr("No such file or directory"));
  // A folder cannot be replaced by a file.
  ASSERT_FALSE(llvm::sys::fs::create_directory(path));
  EXPECT_NE(errorOf(writeArtifact(fullArtifact(), path)), "no error");
  EXPECT_THAT(folder.list(), ElementsAre("model.flow"));
}

TEST_F(ArtifactTest, LeavesTheOldFileWhenTheDiskIsFull) {
  writeBytes(path, "before");
  std::string message;
  {
    FullDisk full(1024);
    message = errorOf(writeArtifact(fullArtifact(), path));
  }
  EXPECT_THAT(message, testing::StartsWith(path + ": "));
  EXPECT_THAT(message, testing::HasSubstr("File too large"));
  EXPECT_EQ(readBytes(path), "before");
  EXPECT_THAT(folder.list(), ElementsAre("model.flow"));
}
