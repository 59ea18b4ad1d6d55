// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads the values of GGUF metadata, which are little-endian.

#include "GgufValues.h"

#include "llvm/ADT/bit.h"
#include "llvm/Support/Endian.h"

using namespace flow;
using namespace flow::gguf;

std::optional<uint64_t> gguf::valueSize(uint32_t type) {
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

llvm::StringRef gguf::valueTypeName(uint32_t type) {
  static constexpr llvm::StringLiteral kNames[] = {
      "u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
      "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[type];
}

bool gguf::isInteger(uint32_t type) {
  return type <= kI32 || type == kU64 || type == kI64;
}

int64_t gguf::readInteger(uint32_t type, const char *data) {
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

float gguf::readF32(const char *data) {
  return llvm::bit_cast<float>(llvm::support::endian::read32le(data));
}

double gguf::readF64(const char *data) {
  return llvm::bit_cast<double>(llvm::support::endian::read64le(data));
}

llvm::StringRef gguf::readString(const char *data) {
  return {data + 8, llvm::support::endian::read64le(data)};
}
