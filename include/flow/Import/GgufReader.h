// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A GGUF file: mapped, never copied, and checked before anything is believed.

#ifndef FLOW_IMPORT_GGUFREADER_H
#define FLOW_IMPORT_GGUFREADER_H

#include "flow/Import/ModelFile.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"

#include <optional>
#include <vector>

namespace flow {

using GgufTensor = ModelTensor;

/// A read-only GGUF v2 or v3 file. Opening it checks every count, length,
/// offset and type against the bytes that are there, before any allocation
/// that depends on them; afterwards all accessors are safe for any file.
class GgufReader : public ModelFile {
public:
  /// Maps and checks the file. The error says what was expected and found.
  static llvm::Expected<std::unique_ptr<GgufReader>> open(llvm::StringRef path);

  llvm::StringRef path() const override { return filePath; }
  llvm::ArrayRef<GgufTensor> tensors() const override { return tensorList; }
  const GgufTensor *findTensor(llvm::StringRef name) const override;
  std::string nameOf(llvm::StringRef ggufName) const override {
    return ggufName.str();
  }
  bool hasUnitOffset() const override { return false; }
  bool hasBf16EmbeddingScale() const override { return false; }
  uint64_t headerDigest() const override { return digest; }
  bool hasTokenizer() const override { return hasKey("tokenizer.ggml.model"); }
  llvm::Expected<TokenizerData> readTokenizer(int64_t vocab) const override;
  llvm::Expected<std::vector<int32_t>>
  readSuppressedTokens(int64_t vocab) const override;

  /// True if the file has the key, of whatever type.
  bool hasKey(llvm::StringRef key) const { return keys.count(key) != 0; }
  /// True if the file has the key and its value is an array.
  bool isArray(llvm::StringRef key) const { return keys.lookup(key).isArray; }

  // Values by key. A missing key gives no value; a key of another type is an
  // error. Integers of any width are accepted where they fit.
  llvm::Expected<std::optional<int64_t>> getInteger(llvm::StringRef key) const;
  llvm::Expected<std::optional<double>> getFloat(llvm::StringRef key) const;
  llvm::Expected<std::optional<bool>> getBool(llvm::StringRef key) const;
  llvm::Expected<std::optional<llvm::StringRef>>
  getString(llvm::StringRef key) const;
  /// An array of integers or bools of any width.
  llvm::Expected<std::optional<std::vector<int64_t>>>
  getIntegers(llvm::StringRef key) const;
  llvm::Expected<std::optional<std::vector<float>>>
  getFloats(llvm::StringRef key) const;
  /// Strings in the mapped file.
  llvm::Expected<std::optional<std::vector<llvm::StringRef>>>
  getStrings(llvm::StringRef key) const;

private:
  friend class GgufParser;
  GgufReader() = default;

  /// A value: its type id and its bytes; an array has its elements' type.
  struct Value {
    uint32_t type = 0;
    bool isArray = false;
    uint64_t count = 1;
    const char *data = nullptr;
  };
  llvm::Error wrongType(llvm::StringRef key, llvm::StringRef expected) const;

  std::string filePath;
  llvm::sys::fs::mapped_file_region region;
  llvm::StringMap<Value> keys;
  std::vector<GgufTensor> tensorList;
  llvm::StringMap<size_t> tensorIndex;
  uint64_t digest = 0;
};

} // namespace flow

#endif // FLOW_IMPORT_GGUFREADER_H
