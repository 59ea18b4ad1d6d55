// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A safetensors file: mapped, never copied, and checked before it is believed.

#ifndef FLOW_IMPORT_SAFETENSORSREADER_H
#define FLOW_IMPORT_SAFETENSORSREADER_H

#include "flow/Ggml/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace flow {

/// A tensor of the file.
struct SafetensorsTensor {
  std::string name;
  /// As the file calls it, such as `BF16`, and what it is here; nothing for
  /// element types that are not F32, F16 or BF16.
  std::string dtype;
  std::optional<ggml::Type> type;
  /// Row-major, the contiguous dimension last; none for a scalar.
  llvm::SmallVector<int64_t, 4> dims;
  /// In the mapped file; may be unaligned.
  const std::byte *data;
  uint64_t bytes;
};

/// A read-only safetensors file. Opening it checks the header as the format
/// asks: its length against the file, every type, shape and range, that tensors
/// fill the file without gap or overlap, and that no name comes twice.
class SafetensorsReader {
public:
  /// Maps and checks the file. The error says what was expected and found.
  static llvm::Expected<std::unique_ptr<SafetensorsReader>>
  open(llvm::StringRef path);

  llvm::StringRef path() const { return filePath; }
  /// In the order of their data.
  llvm::ArrayRef<SafetensorsTensor> tensors() const { return tensorList; }

private:
  friend class SafetensorsParser;
  SafetensorsReader() = default;

  std::string filePath;
  llvm::sys::fs::mapped_file_region region;
  std::vector<SafetensorsTensor> tensorList;
};

/// The files of an index (`model.safetensors.index.json`), each once, and for
/// each tensor the place of its file among them.
struct ShardIndex {
  std::vector<std::string> files;
  llvm::StringMap<size_t> fileOfTensor;
};

/// Reads the index at `path`. File names must be plain: one with a separator,
/// `..` or nothing in it is an error.
llvm::Expected<ShardIndex> readShardIndex(llvm::StringRef path);

} // namespace flow

#endif // FLOW_IMPORT_SAFETENSORSREADER_H
