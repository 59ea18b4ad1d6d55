// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Blocks of bytes that decoding is tested with.

#ifndef FLOW_TEST_GGML_TESTBLOCKS_H
#define FLOW_TEST_GGML_TESTBLOCKS_H

#include "flow/Ggml/Types.h"

#include <random>
#include <vector>

namespace flow::ggml {

/// Every quantised type that can be decoded.
inline std::vector<Type> quantisedTypes() {
  return {Type::Q4_0, Type::Q4_1, Type::Q5_0,   Type::Q5_1,
          Type::Q8_0, Type::Q2_K, Type::Q3_K,   Type::Q4_K,
          Type::Q5_K, Type::Q6_K, Type::IQ4_NL, Type::IQ4_XS};
}

/// Where a block keeps its f16 scale, and its f16 minimum or -1.
struct ScaleOffsets {
  int scale, min;
};

inline ScaleOffsets scaleOffsets(Type type) {
  switch (type) {
  case Type::Q4_1:
  case Type::Q5_1:
  case Type::Q4_K:
  case Type::Q5_K:
    return {0, 2};
  case Type::Q2_K:
    return {80, 82};
  case Type::Q3_K:
    return {108, -1};
  case Type::Q6_K:
    return {208, -1};
  default:
    return {0, -1};
  }
}

inline void putF16(std::vector<std::byte> &bytes, size_t offset,
                   uint16_t bits) {
  bytes[offset] = static_cast<std::byte>(bits & 255);
  bytes[offset + 1] = static_cast<std::byte>(bits >> 8);
}

/// The block whose byte i is 37 i + 11 modulo 256, with a scale of 1/16 and a
/// minimum of 1/32.
inline std::vector<std::byte> goldenBlock(Type type) {
  std::vector<std::byte> bytes(typeInfo(uint32_t(type))->blockBytes);
  for (size_t i = 0; i != bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(37 * i + 11 & 255);
  ScaleOffsets offsets = scaleOffsets(type);
  putF16(bytes, offsets.scale, 0x2c00);
  if (offsets.min >= 0)
    putF16(bytes, offsets.min, 0x2800);
  return bytes;
}

/// `blocks` random blocks with finite scales, both normal and subnormal.
inline std::vector<std::byte> randomBlocks(Type type, size_t blocks,
                                           unsigned seed) {
  std::mt19937 random(seed);
  size_t size = typeInfo(uint32_t(type))->blockBytes;
  std::vector<std::byte> bytes(blocks * size);
  for (std::byte &byte : bytes)
    byte = static_cast<std::byte>(random() & 255);
  ScaleOffsets offsets = scaleOffsets(type);
  for (size_t block = 0; block != blocks; ++block)
    for (int offset : {offsets.scale, offsets.min})
      if (offset >= 0) // any sign and mantissa, exponents 0 to 15
        putF16(bytes, block * size + offset, random() & 0xbfff);
  return bytes;
}

} // namespace flow::ggml

#endif // FLOW_TEST_GGML_TESTBLOCKS_H
