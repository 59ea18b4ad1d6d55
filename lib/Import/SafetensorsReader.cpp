// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Opens safetensors files and the indexes of sharded ones.

#include "flow/Import/SafetensorsReader.h"

#include "ByteCursor.h"
#include "Json.h"
#include "MappedFile.h"
#include "Quote.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace flow;

/// The format's own bound on a header.
static constexpr uint64_t kMaxHeader = 100'000'000;
static constexpr size_t kMaxDims = 8;
/// Shards of a model at most.
static constexpr size_t kMaxFiles = 1024;

/// Bits of an element of any type that the format knows.
static std::optional<uint64_t> elementBits(llvm::StringRef dtype) {
  return llvm::StringSwitch<std::optional<uint64_t>>(dtype)
      .Cases({"F64", "I64", "U64", "C64"}, 64)
      .Cases({"F32", "I32", "U32"}, 32)
      .Cases({"F16", "BF16", "I16", "U16"}, 16)
      .Cases({"BOOL", "I8", "U8", "F8_E5M2", "F8_E4M3", "F8_E8M0"}, 8)
      .Cases({"F8_E4M3FNUZ", "F8_E5M2FNUZ"}, 8)
      .Cases({"F6_E2M3", "F6_E3M2"}, 6)
      .Case("F4", 4)
      .Default(std::nullopt);
}

static std::optional<ggml::Type> typeOf(llvm::StringRef dtype) {
  return llvm::StringSwitch<std::optional<ggml::Type>>(dtype)
      .Case("F32", ggml::Type::F32)
      .Case("F16", ggml::Type::F16)
      .Case("BF16", ggml::Type::BF16)
      .Default(std::nullopt);
}

/// A count in a header, which is no less than 0.
static std::optional<uint64_t> countOf(const llvm::json::Value &value) {
  std::optional<int64_t> number = value.getAsInteger();
  if (!number || *number < 0)
    return std::nullopt;
  return static_cast<uint64_t>(*number);
}

namespace flow {

/// Fills in a reader whose file is mapped.
class SafetensorsParser {
public:
  explicit SafetensorsParser(SafetensorsReader &file)
      : file(file),
        cursor(file.filePath,
               llvm::StringRef(file.region.const_data(), file.region.size())) {}

  llvm::Error parse();

private:
  llvm::Error fail(const llvm::Twine &what) const { return cursor.fail(what); }
  llvm::Error parseTensor(llvm::StringRef name, const llvm::json::Value &value);
  llvm::Error parseShape(const llvm::json::Object &entry,
                         SafetensorsTensor &tensor);
  llvm::Error checkMetadata(const llvm::json::Value &value) const;
  llvm::Error placeTensors();

  SafetensorsReader &file;
  ByteCursor cursor;
  /// Where each tensor begins, in the order of the header.
  std::vector<std::pair<uint64_t, SafetensorsTensor>> found;
};

llvm::Error SafetensorsParser::parse() {
  uint64_t length;
  const char *text;
  if (llvm::Error error = cursor.takeU64(length, "the length of the header"))
    return error;
  if (length > kMaxHeader || length > cursor.remaining())
    return fail("has a header of " + llvm::Twine(length) + " bytes, expected " +
                llvm::Twine(std::min(kMaxHeader, cursor.remaining())) +
                " at most");
  if (llvm::Error error = cursor.take(length, text, "the header"))
    return error;
  llvm::StringRef header(text, length);
  llvm::Expected<llvm::json::Object> entries =
      parseJsonObject(header, llvm::Twine(file.filePath) + ": the header");
  if (!entries)
    return entries.takeError();
  for (const auto &[name, value] : *entries)
    if (llvm::Error error = name == "__metadata__" ? checkMetadata(value)
                                                   : parseTensor(name, value))
      return error;
  return placeTensors();
}

llvm::Error
SafetensorsParser::checkMetadata(const llvm::json::Value &value) const {
  const llvm::json::Object *object = value.getAsObject();
  if (!object)
    return fail("__metadata__ must be an object, found " + describeJson(value));
  for (const auto &[name, text] : *object)
    if (!text.getAsString())
      return fail("__metadata__ must hold strings, found " +
                  describeJson(text) + " as " + quoted(name));
  return llvm::Error::success();
}

llvm::Error SafetensorsParser::parseShape(const llvm::json::Object &entry,
                                          SafetensorsTensor &tensor) {
  std::string name = "tensor " + quoted(tensor.name);
  const llvm::json::Array *shape = entry.getArray("shape");
  if (!shape || shape->size() > kMaxDims)
    return fail(name + " must have a shape of at most " +
                llvm::Twine(kMaxDims) + " dimensions");
  std::optional<uint64_t> bits = elementBits(tensor.dtype);
  for (const llvm::json::Value &extent : *shape) {
    std::optional<uint64_t> count = countOf(extent);
    if (!count)
      return fail(name + " has the dimension " + describeJson(extent) +
                  ", expected a count");
    tensor.dims.push_back(static_cast<int64_t>(*count));
    bits = llvm::checkedMulUnsigned(*bits, *count);
    if (!bits)
      return fail(name + " has more bits than 64 bits can count");
  }
  if (*bits % 8 != 0 || *bits / 8 != tensor.bytes)
    return fail(name + " has " + llvm::Twine(tensor.bytes) +
                " bytes, expected " + llvm::Twine(*bits) + " bits of " +
                tensor.dtype);
  return llvm::Error::success();
}

llvm::Error SafetensorsParser::parseTensor(llvm::StringRef name,
                                           const llvm::json::Value &value) {
  SafetensorsTensor tensor;
  tensor.name = name.str();
  const llvm::json::Object *entry = value.getAsObject();
  if (!entry)
    return fail("tensor " + quoted(name) + " must be an object, found " +
                describeJson(value));
  for (const auto &[key, ignored] : *entry)
    if (!llvm::is_contained({"dtype", "shape", "data_offsets"},
                            llvm::StringRef(key)))
      return fail("tensor " + quoted(name) + " has the unknown key " +
                  quoted(key));
  std::optional<llvm::StringRef> dtype = entry->getString("dtype");
  if (!dtype || !elementBits(*dtype))
    return fail("tensor " + quoted(name) + " has the unknown dtype " +
                (dtype ? quoted(*dtype) : std::string("of no string")));
  tensor.dtype = dtype->str();
  tensor.type = typeOf(*dtype);
  const llvm::json::Array *range = entry->getArray("data_offsets");
  std::optional<uint64_t> begin, end;
  if (range && range->size() == 2) {
    begin = countOf((*range)[0]);
    end = countOf((*range)[1]);
  }
  if (!begin || !end || *end < *begin || *end > cursor.remaining())
    return fail("tensor " + quoted(name) +
                " must have data_offsets in ascending order within the " +
                llvm::Twine(cursor.remaining()) + " bytes of data");
  tensor.bytes = *end - *begin;
  tensor.data = reinterpret_cast<const std::byte *>(cursor.data() + *begin);
  if (llvm::Error error = parseShape(*entry, tensor))
    return error;
  found.emplace_back(*begin, std::move(tensor));
  return llvm::Error::success();
}

llvm::Error SafetensorsParser::placeTensors() {
  // Empty tensors stand before the one that begins where they do.
  llvm::sort(found, [](const auto &a, const auto &b) {
    return std::tie(a.first, a.second.bytes, a.second.name) <
           std::tie(b.first, b.second.bytes, b.second.name);
  });
  uint64_t place = 0;
  for (auto &[begin, tensor] : found) {
    if (begin != place)
      return fail("tensor " + quoted(tensor.name) + " begins at " +
                  llvm::Twine(begin) + ", expected " + llvm::Twine(place) +
                  ", where the one before it ends");
    place += tensor.bytes;
    file.tensorList.push_back(std::move(tensor));
  }
  if (place != cursor.remaining())
    return fail("has " + llvm::Twine(cursor.remaining()) +
                " bytes of data, its tensors " + llvm::Twine(place));
  return llvm::Error::success();
}

} // namespace flow

llvm::Expected<std::unique_ptr<SafetensorsReader>>
SafetensorsReader::open(llvm::StringRef path) {
  auto region = mapFile(path, 8, "safetensors file");
  if (!region)
    return region.takeError();
  std::unique_ptr<SafetensorsReader> file(new SafetensorsReader);
  file->filePath = path.str();
  file->region = std::move(*region);
  if (llvm::Error error = SafetensorsParser(*file).parse())
    return std::move(error);
  return file;
}

llvm::Expected<ShardIndex> flow::readShardIndex(llvm::StringRef path) {
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError(path + ": " + what);
  };
  auto region = mapFile(path, 2, "JSON file");
  if (!region)
    return region.takeError();
  llvm::Expected<llvm::json::Object> index = parseJsonObject(
      llvm::StringRef(region->const_data(), region->size()), path + ":");
  if (!index)
    return index.takeError();
  const llvm::json::Object *map = index->getObject("weight_map");
  if (!map)
    return fail("key 'weight_map' must be an object");
  ShardIndex result;
  llvm::StringMap<size_t> places;
  for (const auto &[tensor, value] : *map) {
    std::optional<llvm::StringRef> file = value.getAsString();
    // The index names files beside it and no others, wherever it came from.
    if (!file || file->empty() || *file == "." || *file == ".." ||
        file->contains('/') || file->contains('\\') || file->contains('\0'))
      return fail("key 'weight_map' must hold plain file names, found " +
                  describeJson(value) + " for " + quoted(tensor));
    auto [place, isNew] = places.try_emplace(*file, result.files.size());
    if (isNew)
      result.files.push_back(file->str());
    if (result.files.size() > kMaxFiles)
      return fail("names more than " + llvm::Twine(kMaxFiles) + " files");
    result.fileOfTensor[tensor] = place->second;
  }
  if (result.files.empty())
    return fail("key 'weight_map' must name a file");
  return result;
}
