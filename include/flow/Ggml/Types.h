// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tensor types of ggml: names, block sizes, and what their bits mean.

#ifndef FLOW_GGML_TYPES_H
#define FLOW_GGML_TYPES_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace flow::ggml {

/// Type ids as GGUF files write them.
enum class Type : uint32_t {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q8_1 = 9,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  Q8_K = 15,
  IQ2_XXS = 16,
  IQ2_XS = 17,
  IQ3_XXS = 18,
  IQ1_S = 19,
  IQ4_NL = 20,
  IQ3_S = 21,
  IQ2_S = 22,
  IQ4_XS = 23,
  I8 = 24,
  I16 = 25,
  I32 = 26,
  I64 = 27,
  F64 = 28,
  IQ1_M = 29,
  BF16 = 30,
  TQ1_0 = 34,
  TQ2_0 = 35,
  MXFP4 = 39,
  NVFP4 = 40,
  Q1_0 = 41,
  Q2_0 = 42,
};

/// Name and block of a type: `blockBytes` bytes hold `blockElements` values.
struct TypeInfo {
  std::string_view name;
  uint32_t blockElements, blockBytes;
};

/// What is known of the type with this id; nothing for ids never given or
/// removed.
std::optional<TypeInfo> typeInfo(uint32_t id);

/// The name of a type that `typeInfo` knows, such as "Q5_0".
std::string_view typeName(Type type);

/// True if `decodeRow` knows the type: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1,
/// Q8_0, Q2_K to Q6_K, IQ4_NL and IQ4_XS.
bool isDecodable(Type type);

/// Decodes `count` values, a multiple of the type's block, to f32 exactly as
/// ggml does. `data` may be unaligned. The type must be decodable.
void decodeRow(Type type, const std::byte *data, float *out, int64_t count);

/// Integer form of a quantised type: blocks of `block` values with
/// value = scale * q + min, exact but for the rounding of the sum.
struct IntegerForm {
  int64_t block;
  bool hasMin;
  /// The scale is an f16 in the file rather than a product of two numbers.
  bool scaleIsF16;
  /// The least and the largest `q`.
  int low, high;
};

/// The integer form of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL and
/// IQ4_XS; nothing for other types, whose products are floating-point.
std::optional<IntegerForm> integerForm(Type type);

/// Splits `count` values into signed quants, scales and minima (one of each for
/// each block of the integer form; `minima` is untouched without minima).
/// `count` is a multiple of the type's block. The type must have an integer
/// form.
void unpackRow(Type type, const std::byte *data, int8_t *quants, float *scales,
               float *minima, int64_t count);

/// Exact widening, and rounding to nearest even, of the 16-bit formats.
float f16ToF32(uint16_t bits);
uint16_t f32ToF16(float value);
float bf16ToF32(uint16_t bits);
uint16_t f32ToBf16(float value);

} // namespace flow::ggml

#endif // FLOW_GGML_TYPES_H
