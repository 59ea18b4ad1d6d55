// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parses and checks GGUF files, and gives typed access to what they hold.

#include "flow/Import/GgufReader.h"

#include "Quote.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace flow;

namespace {

/// Value types of metadata.
enum ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

/// Bytes of one value, 0 for strings and arrays, nothing for unknown types.
std::optional<uint64_t> valueSize(uint32_t type) {
  switch (type) {
  case kU8:
  case kI8:
  case kBool:
    return 1;
  case kU16:
  case kI16:
    return 2;
  case kU32:
  case kI32:
  case kF32:
    return 4;
  case kU64:
  case kI64:
  case kF64:
    return 8;
  case kString:
  case kArray:
    return 0;
  default:
    return std::nullopt;
  }
}

/// The name of a type that `valueSize` knows.
llvm::StringRef valueTypeName(uint32_t type) {
  static constexpr llvm::StringLiteral kNames[] = {
      "u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
      "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[type];
}

constexpr uint64_t kMaxTensorName = 64;
/// The smallest records that a file can hold: they bound the counts.
constexpr uint64_t kMinKeyRecord = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorRecord = 8 + 1 + 4 + 8 + 4 + 8;

int64_t readInteger(uint32_t type, const char *data) {
  using namespace llvm::support::endian;
  switch (type) {
  case kU8:
  case kBool:
    return static_cast<uint8_t>(*data);
  case kI8:
    return static_cast<int8_t>(*data);
  case kU16:
    return read16le(data);
  case kI16:
    return static_cast<int16_t>(read16le(data));
  case kU32:
    return read32le(data);
  case kI32:
    return static_cast<int32_t>(read32le(data));
  default:
    return static_cast<int64_t>(read64le(data));
  }
}

bool isInteger(uint32_t type) {
  return type <= kI32 || type == kU64 || type == kI64;
}

float readF32(const char *data) {
  return llvm::bit_cast<float>(llvm::support::endian::read32le(data));
}

llvm::StringRef readString(const char *data) {
  return {data + 8, llvm::support::endian::read64le(data)};
}

} // namespace

namespace flow {

/// Walks through a mapped file once; every read is bounded.
class GgufParser {
public:
  GgufParser(GgufReader &file, llvm::StringRef bytes)
      : file(file), bytes(bytes) {}

  llvm::Error parse();

private:
  llvm::Error fail(const llvm::Twine &what) const {
    return llvm::createStringError(file.filePath + ": " + what);
  }
  uint64_t remaining() const { return bytes.size() - offset; }

  llvm::Error take(uint64_t size, const char *&data, llvm::StringRef what) {
    if (size > remaining())
      return fail(what + " at byte " + llvm::Twine(offset) + " needs " +
                  llvm::Twine(size) + " bytes, " + llvm::Twine(remaining()) +
                  " are left: the file is cut off or damaged");
    data = bytes.data() + offset;
    offset += size;
    return llvm::Error::success();
  }
  llvm::Error takeU32(uint32_t &value, llvm::StringRef what) {
    const char *data;
    if (llvm::Error error = take(4, data, what))
      return error;
    value = llvm::support::endian::read32le(data);
    return llvm::Error::success();
  }
  llvm::Error takeU64(uint64_t &value, llvm::StringRef what) {
    const char *data;
    if (llvm::Error error = take(8, data, what))
      return error;
    value = llvm::support::endian::read64le(data);
    return llvm::Error::success();
  }
  llvm::Error takeString(llvm::StringRef &value, llvm::StringRef what) {
    uint64_t size;
    const char *data;
    if (llvm::Error error = takeU64(size, what))
      return error;
    if (llvm::Error error = take(size, data, what))
      return error;
    value = {data, size};
    return llvm::Error::success();
  }

  llvm::Error parseHeader(uint64_t &tensorCount, uint64_t &keyCount);
  llvm::Error parseKey();
  llvm::Error parseValue(llvm::StringRef key, GgufReader::Value &value);
  llvm::Error skipStrings(llvm::StringRef key, uint64_t count);
  llvm::Error parseTensor(std::vector<uint64_t> &offsets);
  llvm::Error placeTensors(llvm::ArrayRef<uint64_t> offsets);

  GgufReader &file;
  llvm::StringRef bytes;
  uint64_t offset = 0;
  uint64_t alignment = 32;
};

llvm::Error GgufParser::parseHeader(uint64_t &tensorCount, uint64_t &keyCount) {
  if (!bytes.starts_with("GGUF"))
    return fail("is no GGUF file: it does not begin with 'GGUF'");
  offset = 4;
  uint32_t version;
  if (llvm::Error error = takeU32(version, "the version"))
    return error;
  if (version != 0 && (version & 0xffff) == 0)
    return fail("is big-endian, which is not supported");
  if (version != 2 && version != 3)
    return fail("has GGUF version " + llvm::Twine(version) +
                ", expected 2 or 3");
  if (llvm::Error error = takeU64(tensorCount, "the number of tensors"))
    return error;
  if (llvm::Error error = takeU64(keyCount, "the number of keys"))
    return error;
  if (keyCount > remaining() / kMinKeyRecord)
    return fail("claims " + llvm::Twine(keyCount) +
                " keys, more than its size can hold");
  if (tensorCount > remaining() / kMinTensorRecord)
    return fail("claims " + llvm::Twine(tensorCount) +
                " tensors, more than its size can hold");
  return llvm::Error::success();
}

llvm::Error GgufParser::skipStrings(llvm::StringRef key, uint64_t count) {
  // The smallest string is its length, so the count is bounded by the rest.
  if (count > remaining() / 8)
    return fail("key " + quoted(key) + " claims " + llvm::Twine(count) +
                " strings, more than the file can hold");
  std::string what = "a string of " + quoted(key);
  llvm::StringRef ignored;
  for (uint64_t i = 0; i != count; ++i)
    if (llvm::Error error = takeString(ignored, what))
      return error;
  return llvm::Error::success();
}

llvm::Error GgufParser::parseValue(llvm::StringRef key,
                                   GgufReader::Value &value) {
  std::string what = "the value of " + quoted(key);
  if (value.type == kArray) {
    value.isArray = true;
    if (llvm::Error error = takeU32(value.type, what))
      return error;
    if (llvm::Error error = takeU64(value.count, what))
      return error;
    if (value.type == kArray)
      return fail("key " + quoted(key) +
                  " is an array of arrays, which no Gemma has");
  }
  std::optional<uint64_t> size = valueSize(value.type);
  if (!size)
    return fail("key " + quoted(key) + " has the unknown type " +
                llvm::Twine(value.type));
  value.data = bytes.data() + offset;
  if (value.type == kString)
    return skipStrings(key, value.count);
  if (value.count > remaining() / *size)
    return fail("key " + quoted(key) + " claims " + llvm::Twine(value.count) +
                " elements, more than the file can hold");
  const char *data;
  if (llvm::Error error = take(value.count * *size, data, what))
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
  if (llvm::Error error = takeString(key, "a key"))
    return error;
  if (key.empty())
    return fail("has an empty key");
  GgufReader::Value value;
  if (llvm::Error error = takeU32(value.type, "the type of " + quoted(key)))
    return error;
  if (llvm::Error error = parseValue(key, value))
    return error;
  if (!file.keys.try_emplace(key, value).second)
    return fail("has the key " + quoted(key) + " twice");
  return llvm::Error::success();
}

llvm::Error GgufParser::parseTensor(std::vector<uint64_t> &offsets) {
  GgufTensor tensor;
  if (llvm::Error error = takeString(tensor.name, "a tensor name"))
    return error;
  if (tensor.name.empty() || tensor.name.size() >= kMaxTensorName)
    return fail("has a tensor name of " + llvm::Twine(tensor.name.size()) +
                " bytes, expected 1 to 63");
  auto failTensor = [&](const llvm::Twine &what) {
    return fail("tensor " + quoted(tensor.name) + " " + what);
  };
  uint32_t rank, type;
  if (llvm::Error error = takeU32(rank, "a tensor's number of dimensions"))
    return error;
  if (rank < 1 || rank > 4)
    return failTensor("has " + llvm::Twine(rank) +
                      " dimensions, expected 1 to 4");
  uint64_t elements = 1;
  for (uint32_t i = 0; i != rank; ++i) {
    uint64_t dim;
    if (llvm::Error error = takeU64(dim, "a tensor's dimensions"))
      return error;
    if (dim == 0)
      return failTensor("has a dimension of 0, expected at least 1");
    if (dim > static_cast<uint64_t>(INT64_MAX) / elements)
      return failTensor("has a dimension of " + llvm::Twine(dim) +
                        ", which makes more elements than 63 bits count");
    elements *= dim;
    tensor.dims.push_back(static_cast<int64_t>(dim));
  }
  std::reverse(tensor.dims.begin(), tensor.dims.end());
  if (llvm::Error error = takeU32(type, "a tensor's type"))
    return error;
  std::optional<ggml::TypeInfo> info = ggml::typeInfo(type);
  if (!info)
    return failTensor("has the unknown type " + llvm::Twine(type));
  tensor.type = static_cast<ggml::Type>(type);
  uint64_t columns = tensor.dims.back();
  if (columns % info->blockElements != 0)
    return failTensor("has rows of " + llvm::Twine(columns) +
                      ", which blocks of " + llvm::Twine(info->blockElements) +
                      " do not divide");
  int64_t size;
  if (llvm::MulOverflow<int64_t>(elements / info->blockElements,
                                 info->blockBytes, size))
    return failTensor("is larger than any file");
  tensor.bytes = size;
  uint64_t place;
  if (llvm::Error error = takeU64(place, "a tensor's offset"))
    return error;
  if (!file.tensorIndex.try_emplace(tensor.name, file.tensorList.size()).second)
    return fail("has the tensor " + quoted(tensor.name) + " twice");
  offsets.push_back(place);
  file.tensorList.push_back(std::move(tensor));
  return llvm::Error::success();
}

llvm::Error GgufParser::placeTensors(llvm::ArrayRef<uint64_t> offsets) {
  uint64_t start = llvm::alignTo(offset, alignment);
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
    auto failTensor = [&](const llvm::Twine &what) {
      return fail("tensor " + quoted(tensor.name) + " " + what);
    };
    if (place % alignment != 0)
      return failTensor("begins at offset " + llvm::Twine(place) +
                        ", no multiple of the alignment " +
                        llvm::Twine(alignment));
    uint64_t room = bytes.size() - start;
    if (place > room || tensor.bytes > room - place)
      return failTensor("needs bytes " + llvm::Twine(place) + " to " +
                        llvm::Twine(place) + " + " + llvm::Twine(tensor.bytes) +
                        " of the data, which has " + llvm::Twine(room));
    if (place < end)
      return failTensor("overlaps the tensor before it");
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
  if (auto found = file.keys.find("general.alignment");
      found != file.keys.end()) {
    const GgufReader::Value &value = found->second;
    if (value.type != kU32 || value.isArray)
      return fail("key 'general.alignment' must be a u32");
    alignment = static_cast<uint64_t>(readInteger(kU32, value.data));
    if (!llvm::isPowerOf2_64(alignment))
      return fail("has the alignment " + llvm::Twine(alignment) +
                  ", expected a power of two");
  }
  std::vector<uint64_t> offsets;
  for (uint64_t i = 0; i != tensorCount; ++i)
    if (llvm::Error error = parseTensor(offsets))
      return error;
  file.digest = llvm::xxh3_64bits(bytes.take_front(offset));
  return placeTensors(offsets);
}

} // namespace flow

llvm::Expected<std::unique_ptr<GgufReader>>
GgufReader::open(llvm::StringRef path) {
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError(path + ": " + what);
  };
  llvm::sys::fs::file_status status;
  if (std::error_code code = llvm::sys::fs::status(path, status))
    return fail("cannot be read: " + code.message());
  if (status.type() != llvm::sys::fs::file_type::regular_file)
    return fail("is no regular file");
  if (status.getSize() < 24)
    return fail("has " + llvm::Twine(status.getSize()) +
                " bytes, too few for a GGUF file");
  auto handle = llvm::sys::fs::openNativeFileForRead(path);
  if (!handle)
    return fail("cannot be opened: " + llvm::toString(handle.takeError()));
  std::unique_ptr<GgufReader> file(new GgufReader);
  file->filePath = path.str();
  std::error_code code;
  file->region = llvm::sys::fs::mapped_file_region(
      *handle, llvm::sys::fs::mapped_file_region::readonly, status.getSize(), 0,
      code);
  llvm::sys::fs::closeFile(*handle);
  if (code)
    return fail("cannot be mapped: " + code.message());
  llvm::StringRef bytes(file->region.const_data(), file->region.size());
  if (llvm::Error error = GgufParser(*file, bytes).parse())
    return error;
  return file;
}

const GgufTensor *GgufReader::findTensor(llvm::StringRef name) const {
  auto found = tensorIndex.find(name);
  return found == tensorIndex.end() ? nullptr : &tensorList[found->second];
}

llvm::Error GgufReader::wrongType(llvm::StringRef key,
                                  llvm::StringRef expected) const {
  const Value &value = keys.find(key)->second;
  return llvm::createStringError(
      filePath + ": key " + quoted(key) + " must be " + expected + ", found " +
      (value.isArray ? "an array of " : "a value of type ") +
      valueTypeName(value.type));
}

llvm::Expected<std::optional<int64_t>>
GgufReader::getInteger(llvm::StringRef key) const {
  auto found = keys.find(key);
  if (found == keys.end())
    return std::nullopt;
  const Value &value = found->second;
  if (value.isArray || !isInteger(value.type))
    return wrongType(key, "an integer");
  int64_t number = readInteger(value.type, value.data);
  if (value.type == kU64 && number < 0)
    return wrongType(key, "an integer below 2^63");
  return number;
}

llvm::Expected<std::optional<double>>
GgufReader::getFloat(llvm::StringRef key) const {
  auto found = keys.find(key);
  if (found == keys.end())
    return std::nullopt;
  const Value &value = found->second;
  if (value.isArray || (value.type != kF32 && value.type != kF64))
    return wrongType(key, "a floating-point number");
  if (value.type == kF32)
    return readF32(value.data);
  return llvm::bit_cast<double>(llvm::support::endian::read64le(value.data));
}

llvm::Expected<std::optional<bool>>
GgufReader::getBool(llvm::StringRef key) const {
  auto found = keys.find(key);
  if (found == keys.end())
    return std::nullopt;
  const Value &value = found->second;
  if (value.isArray || value.type != kBool)
    return wrongType(key, "a bool");
  return *value.data != 0;
}

llvm::Expected<std::optional<llvm::StringRef>>
GgufReader::getString(llvm::StringRef key) const {
  auto found = keys.find(key);
  if (found == keys.end())
    return std::nullopt;
  const Value &value = found->second;
  if (value.isArray || value.type != kString)
    return wrongType(key, "a string");
  return readString(value.data);
}

llvm::Expected<std::optional<std::vector<int64_t>>>
GgufReader::getIntegers(llvm::StringRef key) const {
  auto found = keys.find(key);
  if (found == keys.end())
    return std::nullopt;
  const Value &value = found->second;
  if (!value.isArray || (!isInteger(value.type) && value.type != kBool))
    return wrongType(key, "an array of integers");
  std::vector<int64_t> numbers;
  numbers.reserve(value.count);
  uint64_t size = *valueSize(value.type);
  for (uint64_t i = 0; i != value.count; ++i) {
    numbers.push_back(readInteger(value.type, value.data + i * size));
    if (value.type == kU64 && numbers.back() < 0)
      return wrongType(key, "an array of integers below 2^63");
  }
  return numbers;
}

llvm::Expected<std::optional<std::vector<float>>>
GgufReader::getFloats(llvm::StringRef key) const {
  auto found = keys.find(key);
  if (found == keys.end())
    return std::nullopt;
  const Value &value = found->second;
  if (!value.isArray || value.type != kF32)
    return wrongType(key, "an array of f32");
  std::vector<float> numbers;
  numbers.reserve(value.count);
  for (uint64_t i = 0; i != value.count; ++i)
    numbers.push_back(readF32(value.data + 4 * i));
  return numbers;
}

llvm::Expected<std::optional<std::vector<llvm::StringRef>>>
GgufReader::getStrings(llvm::StringRef key) const {
  auto found = keys.find(key);
  if (found == keys.end())
    return std::nullopt;
  const Value &value = found->second;
  if (!value.isArray || value.type != kString)
    return wrongType(key, "an array of strings");
  std::vector<llvm::StringRef> strings;
  strings.reserve(value.count);
  const char *data = value.data;
  for (uint64_t i = 0; i != value.count; ++i) {
    strings.push_back(readString(data));
    data = strings.back().end();
  }
  return strings;
}

void GgufReader::releasePages(const std::byte *data, size_t size) {
  // Whole pages inside the range; the mapping is read-only and backed by the
  // file, so what is dropped can be read again.
  auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  auto begin = llvm::alignTo(reinterpret_cast<uintptr_t>(data), page);
  auto end = (reinterpret_cast<uintptr_t>(data) + size) / page * page;
  if (begin < end)
    (void)madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}
