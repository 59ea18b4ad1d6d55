// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Conversions of the two 16-bit floating-point formats.

#include "flow/Ggml/Types.h"

#include <cstring>

static uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

float flow::ggml::f16ToF32(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t exponent = bits >> 10 & 31, mantissa = bits & 0x3ff;
  if (exponent == 31) // infinity and NaN
    return floatOf(sign | 0x7f800000 | mantissa << 13);
  if (exponent == 0) // zero and subnormals: mantissa * 2^-24, exactly
    return floatOf(sign | bitsOf(static_cast<float>(mantissa) * 0x1p-24f));
  return floatOf(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t flow::ggml::f32ToF16(float value) {
  uint32_t bits = bitsOf(value);
  uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) // NaN, quiet
    return sign | 0x7e00;
  if (magnitude >= 0x477ff000) // rounds to infinity
    return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 aligns the last f16 bit with the last f32 bit and
    // lets the hardware round to nearest even.
    float aligned = floatOf(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(bitsOf(aligned) - bitsOf(0.5f));
  }
  uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>((rounded - 0x38000000) >> 13);
}

float flow::ggml::bf16ToF32(uint16_t bits) {
  return floatOf(static_cast<uint32_t>(bits) << 16);
}

uint16_t flow::ggml::f32ToBf16(float value) {
  uint32_t bits = bitsOf(value);
  if ((bits & 0x7fffffff) > 0x7f800000) // NaN, quiet
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
