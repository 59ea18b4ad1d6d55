// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Widens integer blocks by putting bits where the mantissa of a known power of
// two is, which no conversion unit is needed for, and taking that away again.

#include "WeightBlocks.h"

using namespace mlir;
using namespace flow::cuda;

std::string flow::cuda::suffixOf(const WeightFormat &format) {
  if (!format.isBlocks())
    return "";
  std::string name = "_q" + std::to_string(format.bits);
  if (format.block != 32)
    name += "_" + std::to_string(format.block);
  if (format.wideScales)
    name += "_wide";
  return name + (format.hasMin ? "_min" : "");
}

Val flow::cuda::turnOf(const WeightFormat &format, Val block) {
  return (block >> 1) & (format.bits == 8 ? 1 : 3);
}

BlockScale flow::cuda::readScale(KernelBuilder &k, const WeightFormat &format,
                                 ArrayRef<Val> words, Val block) {
  if (format.wideScales)
    return {k.bitcast(k.getF32Type(), words[0]),
            format.hasMin ? k.bitcast(k.getF32Type(), words[1]) : Val()};
  if (format.hasMin)
    return {k.widenF16(words[0]), k.widenF16(words[0] >> 16)};
  return {k.widenF16(words[0] >> ((block & 1) << 4)), Val()};
}

/// What is taken from four bits to make them the quant.
static int64_t nibbleOffset(const WeightFormat &format) {
  return format.hasMin ? 0 : 8;
}

/// Byte `i` of a word of bytes that are 128 more than the quant.
static Val byteToF32(KernelBuilder &k, Val word, int64_t i) {
  // 2^23 has mantissa bits for 1, 2, 4 and so on.
  constexpr int64_t kMagic = 0x4b000000;
  Val bits = k.selectBytes(word, k.i32(kMagic), k.i32(0x7540 | i));
  return k.bitcast(k.getF32Type(), bits) - (0x1p23 + 128);
}

/// The four bits of `word` from `shift` on, which is 0, 4, 8, 12 or 16.
static Val nibbleToF32(KernelBuilder &k, const WeightFormat &format, Val word,
                       int64_t shift) {
  // Bit `shift` of the mantissa of 2^(23 - shift) counts 1.
  int64_t exponent = 23 - shift;
  Val bits =
      (word & k.i32(int64_t(15) << shift)) | k.i32((127 + exponent) << 23);
  return k.bitcast(k.getF32Type(), bits) -
         static_cast<double>((int64_t(1) << exponent) + nibbleOffset(format));
}

SmallVector<QuantPair>
flow::cuda::widenToF32(KernelBuilder &k, const WeightFormat &format, Val word) {
  if (format.bits == 8) {
    Val shifted = word ^ k.i32(static_cast<int32_t>(0x80808080));
    return {{byteToF32(k, shifted, 0), byteToF32(k, shifted, 1)},
            {byteToF32(k, shifted, 2), byteToF32(k, shifted, 3)}};
  }
  Val upper = word >> 12;
  auto nibble = [&](int64_t i) {
    return i <= 4 ? nibbleToF32(k, format, word, 4 * i)
                  : nibbleToF32(k, format, upper, 4 * i - 12);
  };
  SmallVector<QuantPair> pairs;
  for (int64_t i = 0; i != 4; ++i)
    pairs.push_back({nibble(i), nibble(i + 4)});
  return pairs;
}

Vals flow::cuda::widenToBf16(KernelBuilder &k, const WeightFormat &format,
                             Val word) {
  // Of 128 as bf16, the 7 bits of the mantissa count 1, 2, 4 and so on.
  constexpr int64_t kMagic = 0x43004300;
  Vals pairs;
  if (format.bits == 8) {
    for (int64_t i = 0; i != 2; ++i) {
      // q is what the lower 7 bits say, less 128 if the upper one is set: that
      // bit makes -256 of -128.
      Val bytes =
          k.selectBytes(word, k.i32(0), k.i32(i == 0 ? 0x4140 : 0x4342));
      Val low = (bytes & 0x007f007f) | kMagic;
      Val high = (bytes & 0x00800080) | k.i32(static_cast<int32_t>(0xc300c300));
      pairs.push_back(k.addBf16(low, high));
    }
    return pairs;
  }
  // -136 and -128.
  auto offset =
      static_cast<int32_t>(nibbleOffset(format) ? 0xc308c308 : 0xc300c300);
  for (int64_t i = 0; i != 4; ++i)
    pairs.push_back(
        k.addBf16(((word >> (4 * i)) & 0x000f000f) | kMagic, k.i32(offset)));
  return pairs;
}
