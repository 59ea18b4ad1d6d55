// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The values of GGUF metadata: their types, and their bytes once checked.

#ifndef FLOW_LIB_IMPORT_GGUFVALUES_H
#define FLOW_LIB_IMPORT_GGUFVALUES_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>

namespace flow::gguf {

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
std::optional<uint64_t> valueSize(uint32_t type);

/// The name of a type that `valueSize` knows.
llvm::StringRef valueTypeName(uint32_t type);

/// True for the integers of any width, not for bools.
bool isInteger(uint32_t type);

// The bytes at `data`, which must be there, as values.
int64_t readInteger(uint32_t type, const char *data);
float readF32(const char *data);
double readF64(const char *data);
llvm::StringRef readString(const char *data);

} // namespace flow::gguf

#endif // FLOW_LIB_IMPORT_GGUFVALUES_H
