// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Opens GGUF files and gives typed access to what they hold.

#include "flow/Import/GgufReader.h"

#include "GgufParser.h"
#include "GgufValues.h"
#include "MappedFile.h"
#include "Quote.h"

using namespace flow;
using namespace flow::gguf;

llvm::Expected<std::unique_ptr<GgufReader>>
GgufReader::open(llvm::StringRef path) {
  auto region = mapFile(path, 24, "GGUF file");
  if (!region)
    return region.takeError();
  std::unique_ptr<GgufReader> file(new GgufReader);
  file->filePath = path.str();
  file->region = std::move(*region);
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
  return readF64(value.data);
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
