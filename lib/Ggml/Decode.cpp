// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Decodes ggml blocks. Every quantised type is split into signed quants, a
// scale and a minimum for each small block; the values follow from those.
//
// Compiled without contraction to fused multiply-adds: the results are bit for
// bit those of ggml's own decoder.

#include "flow/Ggml/Types.h"

#include <cstring>

using namespace flow::ggml;

namespace {

/// Values that a 4-bit code of IQ4_NL and IQ4_XS stands for.
constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

uint8_t byteAt(const std::byte *data, int64_t offset) {
  return static_cast<uint8_t>(data[offset]);
}

float f16At(const std::byte *data, int64_t offset) {
  uint16_t bits;
  std::memcpy(&bits, data + offset, sizeof(bits));
  return f16ToF32(bits);
}

uint32_t u32At(const std::byte *data, int64_t offset) {
  uint32_t bits;
  std::memcpy(&bits, data + offset, sizeof(bits));
  return bits;
}

/// Low nibbles are the first half of a block of 32, high nibbles the second.
void unpackNibbles(const std::byte *data, int8_t *quants, int offset) {
  for (int j = 0; j != 16; ++j) {
    uint8_t byte = byteAt(data, j);
    quants[j] = static_cast<int8_t>((byte & 15) + offset);
    quants[j + 16] = static_cast<int8_t>((byte >> 4) + offset);
  }
}

/// As nibbles, with a fifth bit for each element.
void unpackFiveBits(const std::byte *data, uint32_t high, int8_t *quants,
                    int offset) {
  for (int j = 0; j != 16; ++j) {
    uint8_t byte = byteAt(data, j);
    int low = (byte & 15) | ((high >> j & 1) << 4);
    int upper = (byte >> 4) | ((high >> (j + 16) & 1) << 4);
    quants[j] = static_cast<int8_t>(low + offset);
    quants[j + 16] = static_cast<int8_t>(upper + offset);
  }
}

/// The 6-bit scale and minimum of sub-block `b` of a Q4_K or Q5_K block.
void scaleAndMin(const std::byte *s, int b, int &scale, int &min) {
  if (b < 4) {
    scale = byteAt(s, b) & 63;
    min = byteAt(s, b + 4) & 63;
    return;
  }
  scale = (byteAt(s, b + 4) & 15) | (byteAt(s, b - 4) >> 6) << 4;
  min = (byteAt(s, b + 4) >> 4) | (byteAt(s, b) >> 6) << 4;
}

/// Q4_K and Q5_K; `highBits` is null for Q4_K.
void unpackK45(const std::byte *data, const std::byte *highBits,
               const std::byte *nibbles, int8_t *quants, float *scales,
               float *minima) {
  float d = f16At(data, 0), dmin = f16At(data, 2);
  for (int b = 0; b != 8; ++b) {
    int scale, min;
    scaleAndMin(data + 4, b, scale, min);
    scales[b] = d * static_cast<float>(scale);
    minima[b] = -(dmin * static_cast<float>(min));
    for (int l = 0; l != 32; ++l) {
      uint8_t byte = byteAt(nibbles, 32 * (b / 2) + l);
      int q = b % 2 == 0 ? byte & 15 : byte >> 4;
      if (highBits)
        q |= (byteAt(highBits, l) >> b & 1) << 4;
      quants[32 * b + l] = static_cast<int8_t>(q);
    }
  }
}

void unpackQ6K(const std::byte *data, int8_t *quants, float *scales) {
  float d = f16At(data, 208);
  for (int j = 0; j != 16; ++j)
    scales[j] =
        d * static_cast<float>(static_cast<int8_t>(byteAt(data, 192 + j)));
  for (int half = 0; half != 2; ++half)
    for (int group = 0; group != 4; ++group)
      for (int l = 0; l != 32; ++l) {
        uint8_t byte = byteAt(data, 64 * half + l + 32 * (group & 1));
        int nibble = group < 2 ? byte & 15 : byte >> 4;
        int high = byteAt(data, 128 + 32 * half + l) >> (2 * group) & 3;
        quants[128 * half + 32 * group + l] =
            static_cast<int8_t>((nibble | high << 4) - 32);
      }
}

void unpackIq4Xs(const std::byte *data, int8_t *quants, float *scales) {
  float d = f16At(data, 0);
  unsigned high = byteAt(data, 2) | byteAt(data, 3) << 8;
  for (int b = 0; b != 8; ++b) {
    int low = byteAt(data, 4 + b / 2) >> (4 * (b & 1)) & 15;
    int scale = low | (high >> (2 * b) & 3) << 4;
    scales[b] = d * static_cast<float>(scale - 32);
    for (int j = 0; j != 16; ++j) {
      uint8_t byte = byteAt(data, 8 + 16 * b + j);
      quants[32 * b + j] = kIq4Values[byte & 15];
      quants[32 * b + j + 16] = kIq4Values[byte >> 4];
    }
  }
}

/// Two-bit quants in the order that Q2_K and Q3_K share: element e = 128 h +
/// 32 g + l has bits 2g, 2g + 1 of byte 32 h + l.
void unpackTwoBits(const std::byte *data, int8_t *quants) {
  for (int half = 0; half != 2; ++half)
    for (int group = 0; group != 4; ++group)
      for (int l = 0; l != 32; ++l)
        quants[128 * half + 32 * group + l] =
            static_cast<int8_t>(byteAt(data, 32 * half + l) >> (2 * group) & 3);
}

void unpackQ2K(const std::byte *data, int8_t *quants, float *scales,
               float *minima) {
  float d = f16At(data, 80), dmin = f16At(data, 82);
  for (int b = 0; b != 16; ++b) {
    scales[b] = d * static_cast<float>(byteAt(data, b) & 15);
    minima[b] = -(dmin * static_cast<float>(byteAt(data, b) >> 4));
  }
  unpackTwoBits(data + 16, quants);
}

void unpackQ3K(const std::byte *data, int8_t *quants, float *scales) {
  float d = f16At(data, 108);
  const std::byte *s = data + 96;
  for (int b = 0; b != 16; ++b) {
    int low = b < 8 ? byteAt(s, b) & 15 : byteAt(s, b - 8) >> 4;
    int high = byteAt(s, 8 + (b & 3)) >> (2 * (b / 4)) & 3;
    scales[b] = d * static_cast<float>((low | high << 4) - 32);
  }
  unpackTwoBits(data + 32, quants);
  // A third bit that is not set takes 4 away.
  for (int e = 0; e != 256; ++e)
    if ((byteAt(data, e % 32) >> (e / 32) & 1) == 0)
      quants[e] = static_cast<int8_t>(quants[e] - 4);
}

/// One stored block of `type`.
void unpackBlock(Type type, const std::byte *data, int8_t *quants,
                 float *scales, float *minima) {
  switch (type) {
  case Type::Q8_0:
    scales[0] = f16At(data, 0);
    std::memcpy(quants, data + 2, 32);
    return;
  case Type::Q4_0:
    scales[0] = f16At(data, 0);
    return unpackNibbles(data + 2, quants, -8);
  case Type::Q4_1:
    scales[0] = f16At(data, 0);
    minima[0] = f16At(data, 2);
    return unpackNibbles(data + 4, quants, 0);
  case Type::Q5_0:
    scales[0] = f16At(data, 0);
    return unpackFiveBits(data + 6, u32At(data, 2), quants, -16);
  case Type::Q5_1:
    scales[0] = f16At(data, 0);
    minima[0] = f16At(data, 2);
    return unpackFiveBits(data + 8, u32At(data, 4), quants, 0);
  case Type::IQ4_NL:
    scales[0] = f16At(data, 0);
    for (int j = 0; j != 16; ++j) {
      quants[j] = kIq4Values[byteAt(data, 2 + j) & 15];
      quants[j + 16] = kIq4Values[byteAt(data, 2 + j) >> 4];
    }
    return;
  case Type::Q2_K:
    return unpackQ2K(data, quants, scales, minima);
  case Type::Q3_K:
    return unpackQ3K(data, quants, scales);
  case Type::Q4_K:
    return unpackK45(data, nullptr, data + 16, quants, scales, minima);
  case Type::Q5_K:
    return unpackK45(data, data + 16, data + 48, quants, scales, minima);
  case Type::Q6_K:
    return unpackQ6K(data, quants, scales);
  case Type::IQ4_XS:
    return unpackIq4Xs(data, quants, scales);
  default:
    return;
  }
}

} // namespace

std::optional<IntegerForm> flow::ggml::integerForm(Type type) {
  switch (type) {
  case Type::Q8_0:
    return IntegerForm{32, false, true, -128, 127};
  case Type::Q4_0:
    return IntegerForm{32, false, true, -8, 7};
  case Type::Q5_0:
    return IntegerForm{32, false, true, -16, 15};
  case Type::IQ4_NL:
    return IntegerForm{32, false, true, kIq4Values[0], kIq4Values[15]};
  case Type::Q4_1:
    return IntegerForm{32, true, true, 0, 15};
  case Type::Q5_1:
    return IntegerForm{32, true, true, 0, 31};
  case Type::Q4_K:
    return IntegerForm{32, true, false, 0, 15};
  case Type::Q5_K:
    return IntegerForm{32, true, false, 0, 31};
  case Type::Q2_K:
    return IntegerForm{16, true, false, 0, 3};
  case Type::Q3_K:
    return IntegerForm{16, false, false, -4, 3};
  case Type::Q6_K:
    return IntegerForm{16, false, false, -32, 31};
  case Type::IQ4_XS:
    return IntegerForm{32, false, false, kIq4Values[0], kIq4Values[15]};
  default:
    return std::nullopt;
  }
}

bool flow::ggml::isDecodable(Type type) {
  return type == Type::F32 || type == Type::F16 || type == Type::BF16 ||
         integerForm(type).has_value();
}

void flow::ggml::unpackRow(Type type, const std::byte *data, int8_t *quants,
                           float *scales, float *minima, int64_t count) {
  TypeInfo info = *typeInfo(static_cast<uint32_t>(type));
  IntegerForm form = *integerForm(type);
  int64_t small = info.blockElements / form.block;
  for (int64_t block = 0; block != count / info.blockElements; ++block)
    unpackBlock(type, data + block * info.blockBytes,
                quants + block * info.blockElements, scales + block * small,
                minima + block * small);
}

void flow::ggml::decodeRow(Type type, const std::byte *data, float *out,
                           int64_t count) {
  if (type == Type::F32) {
    std::memcpy(out, data, count * sizeof(float));
    return;
  }
  if (type == Type::F16 || type == Type::BF16) {
    for (int64_t i = 0; i != count; ++i) {
      uint16_t bits;
      std::memcpy(&bits, data + 2 * i, sizeof(bits));
      out[i] = type == Type::F16 ? f16ToF32(bits) : bf16ToF32(bits);
    }
    return;
  }
  TypeInfo info = *typeInfo(static_cast<uint32_t>(type));
  IntegerForm form = *integerForm(type);
  int8_t quants[256];
  float scales[16], minima[16];
  for (int64_t first = 0; first != count; first += info.blockElements) {
    unpackBlock(type, data + first / info.blockElements * info.blockBytes,
                quants, scales, minima);
    for (int64_t i = 0; i != info.blockElements; ++i) {
      float value = scales[i / form.block] * static_cast<float>(quants[i]);
      if (form.hasMin)
        value = value + minima[i / form.block];
      out[first + i] = value;
    }
  }
}
