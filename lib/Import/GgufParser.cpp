// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parses GGUF files; every count, length and offset is checked against the
// bytes that are there.

#include "GgufParser.h"

#include "GgufValues.h"
#include "Quote.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

using namespace flow;
using namespace flow::gguf;

static constexpr uint64_t kMaxTensorName = 64;
/// The smallest records that a file can hold: they bound the counts.
static constexpr uint64_t kMinKeyRecord = 8 + 1 + 4 + 1;
static constexpr uint64_t kMinTensorRecord = 8 + 1 + 4 + 8 + 4 + 8;

llvm::Error GgufParser::parseHeader(uint64_t &tensorCount, uint64_t &keyCount) {
  const char *magic;
  if (llvm::Error error = cursor.take(4, magic, "the magic"))
    return error;
  if (llvm::StringRef(magic, 4) != "GGUF")
    return fail("is no GGUF file: it does not begin with 'GGUF'");
  uint32_t version;
  if (llvm::Error error = cursor.takeU32(version, "the version"))
    return error;
  if (version != 0 && (version & 0xffff) == 0)
    return fail("is big-endian, which is not supported");
  if (version != 2 && version != 3)
    return fail("has GGUF version " + llvm::Twine(version) +
                ", expected 2 or 3");
  if (llvm::Error error = cursor.takeU64(tensorCount, "the number of tensors"))
    return error;
  if (llvm::Error error = cursor.takeU64(keyCount, "the number of keys"))
    return error;
  if (keyCount > cursor.remaining() / kMinKeyRecord)
    return fail("claims " + llvm::Twine(keyCount) +
                " keys, more than its size can hold");
  if (tensorCount > cursor.remaining() / kMinTensorRecord)
    return fail("claims " + llvm::Twine(tensorCount) +
                " tensors, more than its size can hold");
  return llvm::Error::success();
}

llvm::Error GgufParser::skipStrings(llvm::StringRef key, uint64_t count) {
  // The smallest string is its length, so the count is bounded by the rest.
  if (count > cursor.remaining() / 8)
    return fail("key " + quoted(key) + " claims " + llvm::Twine(count) +
                " strings, more than the file can hold");
  std::string what = "a string of " + quoted(key);
  llvm::StringRef ignored;
  for (uint64_t i = 0; i != count; ++i)
    if (llvm::Error error = cursor.takeString(ignored, what))
      return error;
  return llvm::Error::success();
}

llvm::Error GgufParser::parseValue(llvm::StringRef key,
                                   GgufReader::Value &value) {
  std::string what = "the value of " + quoted(key);
  if (value.type == kArray) {
    value.isArray = true;
    if (llvm::Error error = cursor.takeU32(value.type, what))
      return error;
    if (llvm::Error error = cursor.takeU64(value.count, what))
      return error;
    if (value.type == kArray)
      return fail("key " + quoted(key) +
                  " is an array of arrays, which no Gemma has");
  }
  std::optional<uint64_t> size = valueSize(value.type);
  if (!size)
    return fail("key " + quoted(key) + " has the unknown type " +
                llvm::Twine(value.type));
  value.data = cursor.data();
  if (value.type == kString)
    return skipStrings(key, value.count);
  if (value.count > cursor.remaining() / *size)
    return fail("key " + quoted(key) + " claims " + llvm::Twine(value.count) +
                " elements, more than the file can hold");
  const char *data;
  if (llvm::Error error = cursor.take(value.count * *size, data, what))
    return error;
  if (value.type == kBool)
    for (uint64_t i = 0; i != value.count; ++i)
      if (int64_t number = readInteger(kBool, data + i); number > 1)
        return fail("key " + quoted(key) + " has a bool that is " +
                    llvm::Twine(number) + ", expected 0 or 1");
  return llvm::Error::success();
}

llvm::Error GgufParser::parseKey() {
  llvm::StringRef key;
  if (llvm::Error error = cursor.takeString(key, "a key"))
    return error;
  if (key.empty())
    return fail("has an empty key");
  GgufReader::Value value;
  if (llvm::Error error =
          cursor.takeU32(value.type, "the type of " + quoted(key)))
    return error;
  if (llvm::Error error = parseValue(key, value))
    return error;
  if (!file.keys.try_emplace(key, value).second)
    return fail("has the key " + quoted(key) + " twice");
  return llvm::Error::success();
}

llvm::Error GgufParser::parseAlignment() {
  auto found = file.keys.find("general.alignment");
  if (found == file.keys.end())
    return llvm::Error::success();
  const GgufReader::Value &value = found->second;
  if (value.type != kU32 || value.isArray)
    return fail("key 'general.alignment' must be a u32");
  alignment = static_cast<uint64_t>(readInteger(kU32, value.data));
  if (!llvm::isPowerOf2_64(alignment))
    return fail("has the alignment " + llvm::Twine(alignment) +
                ", expected a power of two");
  return llvm::Error::success();
}

llvm::Error GgufParser::failTensor(const GgufTensor &tensor,
                                   const llvm::Twine &what) const {
  return fail("tensor " + quoted(tensor.name) + " " + what);
}

llvm::Error GgufParser::parseShape(GgufTensor &tensor, uint64_t &elements) {
  uint32_t rank;
  if (llvm::Error error =
          cursor.takeU32(rank, "a tensor's number of dimensions"))
    return error;
  if (rank < 1 || rank > 4)
    return failTensor(tensor, "has " + llvm::Twine(rank) +
                                  " dimensions, expected 1 to 4");
  elements = 1;
  for (uint32_t i = 0; i != rank; ++i) {
    uint64_t dim;
    if (llvm::Error error = cursor.takeU64(dim, "a tensor's dimensions"))
      return error;
    if (dim == 0)
      return failTensor(tensor, "has a dimension of 0, expected at least 1");
    if (dim > static_cast<uint64_t>(INT64_MAX) / elements)
      return failTensor(tensor,
                        "has a dimension of " + llvm::Twine(dim) +
                            ", which makes more elements than 63 bits count");
    elements *= dim;
    tensor.dims.push_back(static_cast<int64_t>(dim));
  }
  std::reverse(tensor.dims.begin(), tensor.dims.end());
  return llvm::Error::success();
}

llvm::Error GgufParser::parseType(GgufTensor &tensor, uint64_t elements) {
  uint32_t type;
  if (llvm::Error error = cursor.takeU32(type, "a tensor's type"))
    return error;
  std::optional<ggml::TypeInfo> info = ggml::typeInfo(type);
  if (!info)
    return failTensor(tensor, "has the unknown type " + llvm::Twine(type));
  tensor.type = static_cast<ggml::Type>(type);
  uint64_t columns = tensor.dims.back();
  if (columns % info->blockElements != 0)
    return failTensor(
        tensor, "has rows of " + llvm::Twine(columns) + ", which blocks of " +
                    llvm::Twine(info->blockElements) + " do not divide");
  int64_t size;
  if (llvm::MulOverflow<int64_t>(elements / info->blockElements,
                                 info->blockBytes, size))
    return failTensor(tensor, "is larger than any file");
  tensor.bytes = size;
  return llvm::Error::success();
}

llvm::Error GgufParser::parseTensor(std::vector<uint64_t> &offsets) {
  GgufTensor tensor;
  if (llvm::Error error = cursor.takeString(tensor.name, "a tensor name"))
    return error;
  if (tensor.name.empty() || tensor.name.size() >= kMaxTensorName)
    return fail("has a tensor name of " + llvm::Twine(tensor.name.size()) +
                " bytes, expected 1 to 63");
  uint64_t elements;
  if (llvm::Error error = parseShape(tensor, elements))
    return error;
  if (llvm::Error error = parseType(tensor, elements))
    return error;
  uint64_t place;
  if (llvm::Error error = cursor.takeU64(place, "a tensor's offset"))
    return error;
  if (!file.tensorIndex.try_emplace(tensor.name, file.tensorList.size()).second)
    return fail("has the tensor " + quoted(tensor.name) + " twice");
  offsets.push_back(place);
  file.tensorList.push_back(std::move(tensor));
  return llvm::Error::success();
}

llvm::Error GgufParser::placeTensors(llvm::ArrayRef<uint64_t> offsets) {
  uint64_t start = llvm::alignTo(cursor.offset(), alignment);
  if (start > bytes.size() && !offsets.empty())
    return fail("ends before its data begins at byte " + llvm::Twine(start));
  // By place in the file, to see overlaps.
  llvm::SmallVector<size_t> order(offsets.size());
  for (size_t i = 0; i != order.size(); ++i)
    order[i] = i;
  llvm::sort(order, [&](size_t a, size_t b) {
    return std::pair(offsets[a], a) < std::pair(offsets[b], b);
  });
  uint64_t end = 0;
  for (size_t index : order) {
    GgufTensor &tensor = file.tensorList[index];
    uint64_t place = offsets[index];
    if (place % alignment != 0)
      return failTensor(tensor, "begins at offset " + llvm::Twine(place) +
                                    ", no multiple of the alignment " +
                                    llvm::Twine(alignment));
    uint64_t room = bytes.size() - start;
    if (place > room || tensor.bytes > room - place)
      return failTensor(
          tensor, "needs bytes " + llvm::Twine(place) + " to " +
                      llvm::Twine(place) + " + " + llvm::Twine(tensor.bytes) +
                      " of the data, which has " + llvm::Twine(room));
    if (place < end)
      return failTensor(tensor, "overlaps the tensor before it");
    end = place + tensor.bytes;
    tensor.data =
        reinterpret_cast<const std::byte *>(bytes.data() + start + place);
  }
  return llvm::Error::success();
}

llvm::Error GgufParser::parse() {
  uint64_t tensorCount, keyCount;
  if (llvm::Error error = parseHeader(tensorCount, keyCount))
    return error;
  for (uint64_t i = 0; i != keyCount; ++i)
    if (llvm::Error error = parseKey())
      return error;
  if (llvm::Error error = parseAlignment())
    return error;
  std::vector<uint64_t> offsets;
  for (uint64_t i = 0; i != tensorCount; ++i)
    if (llvm::Error error = parseTensor(offsets))
      return error;
  file.digest = llvm::xxh3_64bits(cursor.taken());
  return placeTensors(offsets);
}
