// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The artefact's file: a magic, a JSON header, the plan, the objects and a
// digest of all of it.

#include "flow/Compiler/Artifact.h"

#include "flow/Compiler/OutputFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/EndianStream.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

using namespace flow;

/// The last byte is the version of the form.
static constexpr llvm::StringLiteral kMagic = "FLOWART\x01";

static void appendBlock(llvm::raw_ostream &out, llvm::StringRef block) {
  llvm::support::endian::write<uint64_t>(out, block.size(),
                                         llvm::endianness::little);
  out << block;
}

static std::string serialize(const Artifact &artifact) {
  std::string bytes;
  llvm::raw_string_ostream out(bytes);
  out << kMagic;
  llvm::json::Object header{
      {"triple", artifact.triple},
      {"cpu", artifact.cpu},
      {"features", artifact.features},
      {"model_path", artifact.modelPath},
      {"model_digest", llvm::utohexstr(artifact.modelDigest)},
      {"objects", static_cast<int64_t>(artifact.objects.size())}};
  appendBlock(out,
              llvm::formatv("{0}", llvm::json::Value(std::move(header))).str());
  appendBlock(out, runtime::toJson(artifact.plan));
  for (const std::string &object : artifact.objects)
    appendBlock(out, object);
  llvm::support::endian::write<uint64_t>(out, llvm::xxh3_64bits(bytes),
                                         llvm::endianness::little);
  return bytes;
}

llvm::Error flow::writeArtifact(const Artifact &artifact,
                                llvm::StringRef path) {
  std::string bytes = serialize(artifact);
  return writeOutputFile(path, [&](llvm::raw_ostream &out) {
    out << bytes;
    return llvm::Error::success();
  });
}

bool flow::isArtifact(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFileSlice(path, kMagic.size(), 0);
  return buffer && (*buffer)->getBuffer().starts_with(kMagic.drop_back());
}

namespace {
/// Takes blocks off a buffer.
class BlockReader {
public:
  explicit BlockReader(llvm::StringRef bytes) : bytes(bytes) {}

  std::optional<llvm::StringRef> block() {
    if (bytes.size() < 8)
      return std::nullopt;
    uint64_t size = llvm::support::endian::read64le(bytes.data());
    bytes = bytes.drop_front(8);
    if (size > bytes.size())
      return std::nullopt;
    llvm::StringRef result = bytes.take_front(size);
    bytes = bytes.drop_front(size);
    return result;
  }
  bool atEnd() const { return bytes.empty(); }

private:
  llvm::StringRef bytes;
};
} // namespace

llvm::Expected<Artifact> flow::readArtifact(llvm::StringRef path) {
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError(path + ": " + what);
  };
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail("cannot be read: " + buffer.getError().message());
  llvm::StringRef bytes = (*buffer)->getBuffer();
  if (!bytes.starts_with(kMagic.drop_back()))
    return fail("is no artefact");
  if (!bytes.starts_with(kMagic))
    return fail("is an artefact of another version");
  if (bytes.size() < kMagic.size() + 8 ||
      llvm::xxh3_64bits(bytes.drop_back(8)) !=
          llvm::support::endian::read64le(bytes.end() - 8))
    return fail("is cut off or damaged: its digest does not match");
  BlockReader reader(bytes.drop_front(kMagic.size()).drop_back(8));
  std::optional<llvm::StringRef> headerText = reader.block();
  std::optional<llvm::StringRef> planText = reader.block();
  if (!headerText || !planText)
    return fail("lacks its header or plan");
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(*headerText);
  if (!value)
    return fail("has a bad header: " + llvm::toString(value.takeError()));
  const llvm::json::Object *header = value->getAsObject();
  auto text = [&](llvm::StringRef name) {
    return header ? header->getString(name).value_or("").str() : "";
  };
  Artifact artifact;
  artifact.triple = text("triple");
  artifact.cpu = text("cpu");
  artifact.features = text("features");
  artifact.modelPath = text("model_path");
  if (!header || llvm::StringRef(text("model_digest"))
                     .getAsInteger(16, artifact.modelDigest))
    return fail("has a bad header");
  int64_t objects = header->getInteger("objects").value_or(-1);
  while (!reader.atEnd()) {
    std::optional<llvm::StringRef> object = reader.block();
    if (!object)
      return fail("has an object that goes beyond its end");
    artifact.objects.push_back(object->str());
  }
  if (objects != static_cast<int64_t>(artifact.objects.size()))
    return fail("has " + llvm::Twine(artifact.objects.size()) +
                " objects, its header says " + llvm::Twine(objects));
  flow::Result<runtime::Plan> plan = runtime::planFromJson(
      std::string_view(planText->data(), planText->size()));
  if (!plan)
    return fail(plan.error());
  artifact.plan = std::move(*plan);
  return artifact;
}
