// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packed weights hold, element by element, what their tensors decode to.

#include "TestTensors.h"

#include <gtest/gtest.h>

#include <tuple>

using namespace flow;
using namespace flow::runtime;
using flow::ggml::Type;

namespace {

/// A weight and what it lies in.
struct LoadedAlone : LoadedWeight {
  PageBlock memory;
};

/// Loads one weight with `threads` threads.
Result<LoadedAlone> load(const PackedWeight &weight, TestTensors &tensors,
                         int threads = 2) {
  Plan plan;
  plan.weights = {weight};
  ThreadPool pool(threads);
  Result<LoadedWeights> loaded = loadWeights(plan, tensors.source(), pool);
  if (!loaded)
    return Error{loaded.error()};
  return LoadedAlone{std::move(loaded->weights.front()),
                     std::move(loaded->memory)};
}

PackedWeight weightOf(std::vector<WeightSource> sources, Packing packing,
                      int64_t rows, int64_t cols) {
  PackedWeight weight;
  weight.name = "w";
  weight.sources = std::move(sources);
  weight.packing = packing;
  weight.rows = rows;
  weight.cols = cols;
  return weight;
}

template <typename T> T at(const BlockSlice &block, int64_t index) {
  T value;
  std::memcpy(&value, block.data() + index * sizeof(T), sizeof(T));
  return value;
}

/// Element (n, k) of float panels.
float panelElement(const LoadedWeight &loaded, int64_t cols, int64_t n,
                   int64_t k) {
  return at<float>(loaded.parts[0], ((n / 32) * cols + k) * 32 + n % 32);
}

/// What integer panels say of element (n, k).
struct Element {
  int quant;
  float scale, min;

  /// Two rounded operations, as in decoding.
  float value(bool hasMin) const {
    volatile float product = scale * static_cast<float>(quant);
    return hasMin ? product + min : product;
  }
};

Element element(const PackedWeight &weight, const LoadedWeight &loaded,
                int64_t n, int64_t k) {
  // `count` bits of a part in which `columns` columns share a byte.
  auto bits = [&](int64_t part, int64_t columns, int64_t count) {
    int64_t row = n / 32 * (weight.cols / 4 / columns) + k / (4 * columns);
    int byte = at<uint8_t>(loaded.parts[part], row * 128 + n % 32 * 4 + k % 4);
    return byte >> (k / 4 % columns * count) & ((1 << count) - 1);
  };
  int64_t blocks = weight.cols / weight.block;
  int64_t group = (n / 32 * blocks + k / weight.block) * 32 + n % 32;
  Element result;
  int64_t first = weight.leading ? weight.leading : weight.bits;
  result.quant = first == 8 ? bits(0, 1, 8) : bits(0, 2, 4);
  if (first == 5)
    result.quant += bits(1, 8, 1) << 4;
  if (first == 6)
    result.quant += bits(1, 4, 2) << 4;
  if (weight.leading) {
    // Bit i of 32 columns is in row i of as many as there are.
    int64_t low = 8 - weight.leading;
    result.quant <<= low;
    for (int64_t bit = 0; bit != low; ++bit) {
      int64_t row = (n / 32 * (weight.cols / 32) + k / 32) * low + bit;
      int byte = at<uint8_t>(loaded.parts[2], row * 128 + n % 32 * 4 + k % 4);
      result.quant |= (byte >> (k % 32 / 4) & 1) << bit;
    }
  }
  result.quant -= static_cast<int>(weight.offset);
  const BlockSlice &scales = loaded.parts[weight.leading          ? 3
                                          : weight.hasUpperBits() ? 2
                                                                  : 1];
  result.scale = weight.scale == ScaleType::F16
                     ? ggml::f16ToF32(at<uint16_t>(scales, group))
                     : at<float>(scales, group);
  // -min/128 is stored; a power of two takes it back exactly.
  result.min = weight.hasMin ? at<float>(loaded.parts.back(), group) * -128 : 0;
  return result;
}

/// The fewest bits that hold the quants of `type`, and what is added to them.
std::pair<int64_t, int64_t> bitsAndOffset(Type type) {
  switch (type) {
  case Type::Q3_K:
  case Type::Q4_0:
    return {4, 8};
  case Type::Q2_K:
  case Type::Q4_1:
  case Type::Q4_K:
    return {4, 0};
  case Type::Q5_0:
    return {5, 16};
  case Type::Q5_1:
  case Type::Q5_K:
    return {5, 0};
  case Type::Q6_K:
    return {6, 32};
  default:
    return {8, 128};
  }
}

/// The narrowest panels that hold `type`.
PackedWeight panelsOf(Type type, int64_t rows, int64_t cols) {
  PackedWeight weight = weightOf({"t"}, Packing::PanelsI8, rows, cols);
  ggml::IntegerForm form = *ggml::integerForm(type);
  weight.block = form.block;
  weight.hasMin = form.hasMin;
  weight.scale = form.scaleIsF16 ? ScaleType::F16 : ScaleType::F32;
  std::tie(weight.bits, weight.offset) = bitsAndOffset(type);
  return weight;
}

void expectSameValues(const PackedWeight &weight, const LoadedWeight &loaded,
                      const std::vector<float> &expected) {
  for (int64_t n = 0; n != weight.rows; ++n)
    for (int64_t k = 0; k != weight.cols; ++k)
      ASSERT_EQ(element(weight, loaded, n, k).value(weight.hasMin),
                expected[n * weight.cols + k])
          << "row " << n << ", column " << k;
}

/// Element (n, k) of a weight in blocks, by the formulas of docs/Artifact.md.
float blockElement(const PackedWeight &weight, const LoadedWeight &loaded,
                   int64_t n, int64_t k) {
  const BlockSlice &part = loaded.parts[0];
  int64_t quant, t = k % 8 / 2;
  if (weight.bits == 8) {
    int64_t c = k / 16, i = 2 * ((k / 8 % 2) ^ (c / 4 % 2)) + k % 2;
    quant = at<int8_t>(part, n * weight.cols + 16 * c + 4 * t + i);
  } else {
    int64_t c = k / 32, i = ((k / 8 % 4) ^ (c / 2 % 4)) + 4 * (k % 2);
    auto word = at<uint32_t>(part, n * weight.cols / 8 + 4 * c + t);
    quant = (word >> (4 * i) & 15) - weight.offset;
  }
  int64_t numbers = weight.hasMin ? 2 : 1;
  int64_t bytes = weight.scale == ScaleType::F16 ? 2 : 4;
  int64_t pitch = (weight.cols / weight.block * numbers * bytes + 3) / 4 * 4;
  int64_t scales = weight.rows * weight.cols * weight.bits / 8 + n * pitch;
  auto number = [&](int64_t which) {
    int64_t index = scales / bytes + k / weight.block * numbers + which;
    return bytes == 2 ? ggml::f16ToF32(at<uint16_t>(part, index))
                      : at<float>(part, index);
  };
  Element element{static_cast<int>(quant), number(0),
                  weight.hasMin ? number(1) : 0};
  return element.value(weight.hasMin);
}

/// The fewest bits of blocks that hold `type`.
PackedWeight blocksOf(Type type, int64_t rows, int64_t cols) {
  PackedWeight weight = weightOf({"t"}, Packing::WeightBlocks, rows, cols);
  ggml::IntegerForm form = *ggml::integerForm(type);
  weight.block = form.block;
  weight.hasMin = form.hasMin;
  weight.scale = form.scaleIsF16 ? ScaleType::F16 : ScaleType::F32;
  bool isNarrow =
      type == Type::Q4_0 || type == Type::Q4_1 || type == Type::Q4_K;
  weight.bits = isNarrow ? 4 : 8;
  weight.offset = type == Type::Q4_0 ? 8 : 0;
  return weight;
}

std::vector<Type> decodableTypes() {
  std::vector<Type> types = ggml::quantisedTypes();
  types.insert(types.end(), {Type::F32, Type::F16, Type::BF16});
  return types;
}

std::string nameOf(const testing::TestParamInfo<Type> &info) {
  return std::string(ggml::typeName(info.param));
}

class PackFloats : public testing::TestWithParam<Type> {};
class PackIntegers : public testing::TestWithParam<Type> {};

} // namespace

TEST_P(PackIntegers, BlocksForADevice) {
  // An odd number of blocks of 32, where a type has them.
  int64_t cols =
      ggml::typeInfo(static_cast<uint32_t>(GetParam()))->blockElements == 32
          ? 544
          : 768;
  TestTensors tensors;
  tensors.addRandom("t", GetParam(), 5, cols, 3);
  PackedWeight weight = blocksOf(GetParam(), 5, cols);
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  ASSERT_EQ(loaded->parts.size(), 1u);
  std::vector<float> expected = tensors.decoded("t");
  for (int64_t n = 0; n != weight.rows; ++n)
    for (int64_t k = 0; k != weight.cols; ++k)
      ASSERT_EQ(blockElement(weight, *loaded, n, k), expected[n * cols + k])
          << "row " << n << ", column " << k;
}

TEST_P(PackFloats, DenseRows) {
  TestTensors tensors;
  tensors.addRandom("t", GetParam(), 5, 512, 1);
  PackedWeight weight = weightOf({"t"}, Packing::Dense, 5, 512);
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  std::vector<float> expected = tensors.decoded("t");
  ASSERT_EQ(loaded->parts.size(), 1u);
  ASSERT_EQ(loaded->parts[0].size(), expected.size() * 4);
  for (size_t i = 0; i != expected.size(); ++i)
    ASSERT_EQ(at<float>(loaded->parts[0], i), expected[i]) << i;
}

TEST_P(PackFloats, Panels) {
  TestTensors tensors;
  tensors.addRandom("t", GetParam(), 96, 256, 2);
  PackedWeight weight = weightOf({"t"}, Packing::PanelsF32, 96, 256);
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  std::vector<float> expected = tensors.decoded("t");
  ASSERT_EQ(loaded->parts.size(), 1u);
  for (int64_t n = 0; n != 96; ++n)
    for (int64_t k = 0; k != 256; ++k)
      ASSERT_EQ(panelElement(*loaded, 256, n, k), expected[n * 256 + k])
          << "row " << n << ", column " << k;
}

TEST_P(PackFloats, PairsOfBf16) {
  TestTensors tensors;
  tensors.addRandom("t", GetParam(), 96, 256, 2);
  PackedWeight weight = weightOf({"t"}, Packing::PanelsBf16, 96, 256);
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  std::vector<float> expected = tensors.decoded("t");
  ASSERT_EQ(loaded->parts.size(), 1u);
  ASSERT_EQ(loaded->parts[0].size(), expected.size() * 2);
  for (int64_t n = 0; n != 96; ++n)
    for (int64_t k = 0; k != 256; ++k)
      ASSERT_EQ(
          at<uint16_t>(loaded->parts[0],
                       ((n / 32 * 128 + k / 2) * 32 + n % 32) * 2 + k % 2),
          ggml::f32ToBf16(expected[n * 256 + k]))
          << "row " << n << ", column " << k;
}

INSTANTIATE_TEST_SUITE_P(Types, PackFloats, testing::ValuesIn(decodableTypes()),
                         nameOf);

TEST_P(PackIntegers, IntoTheirOwnForm) {
  TestTensors tensors;
  tensors.addRandom("t", GetParam(), 96, 512, 3);
  PackedWeight weight = panelsOf(GetParam(), 96, 512);
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  int64_t elements = 96 * 512, blocks = elements / weight.block;
  std::vector<int64_t> sizes = {weight.bits == 8 ? elements : elements / 2,
                                blocks *
                                    (weight.scale == ScaleType::F16 ? 2 : 4)};
  if (weight.bits == 5 || weight.bits == 6)
    sizes.insert(sizes.begin() + 1, elements * (weight.bits - 4) / 8);
  if (weight.hasMin)
    sizes.push_back(4 * blocks);
  std::vector<int64_t> found;
  for (const BlockSlice &part : loaded->parts)
    found.push_back(static_cast<int64_t>(part.size()));
  EXPECT_EQ(found, sizes);
  expectSameValues(weight, *loaded, tensors.decoded("t"));
}

TEST_P(PackIntegers, WithTheQuantsOfTheFile) {
  TestTensors tensors;
  tensors.addRandom("t", GetParam(), 32, 256, 4);
  PackedWeight weight = panelsOf(GetParam(), 32, 256);
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  std::vector<int8_t> quants(32 * 256);
  std::vector<float> scales(quants.size() / 16), minima(scales.size());
  ggml::unpackRow(GetParam(), tensors.view("t").data, quants.data(),
                  scales.data(), minima.data(), quants.size());
  for (int64_t n = 0; n != 32; ++n)
    for (int64_t k = 0; k != 256; ++k) {
      Element found = element(weight, *loaded, n, k);
      int64_t group = (n * 256 + k) / weight.block;
      ASSERT_EQ(found.quant, quants[n * 256 + k]);
      ASSERT_EQ(found.scale, scales[group]);
      if (weight.hasMin)
        ASSERT_EQ(found.min, minima[group]);
    }
}

TEST_P(PackIntegers, IntoTheWidestForm) {
  TestTensors tensors;
  tensors.addRandom("t", GetParam(), 64, 256, 5);
  PackedWeight weight = panelsOf(GetParam(), 64, 256);
  weight.block = 16;
  weight.scale = ScaleType::F32;
  weight.hasMin = true;
  weight.bits = 8;
  weight.offset = 128;
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  expectSameValues(weight, *loaded, tensors.decoded("t"));
}

// Leading bits lie apart, in as many bytes.
TEST(WeightPacker, SplitsQuants) {
  for (int64_t leading : {5, 6}) {
    TestTensors tensors;
    tensors.addRandom("t", Type::Q8_0, 96, 160, 6);
    PackedWeight weight = panelsOf(Type::Q8_0, 96, 160);
    weight.leading = leading;
    Result<LoadedAlone> loaded = load(weight, tensors);
    ASSERT_TRUE(loaded) << loaded.error();
    constexpr size_t kElements = 96 * 160;
    ASSERT_EQ(loaded->parts.size(), 4u);
    EXPECT_EQ(loaded->parts[0].size(), kElements / 2);
    EXPECT_EQ(loaded->parts[1].size(), kElements / 8 * (leading - 4));
    EXPECT_EQ(loaded->parts[2].size(), kElements / 8 * (8 - leading));
    EXPECT_EQ(loaded->parts[3].size(), kElements / 32 * 2);
    expectSameValues(weight, *loaded, tensors.decoded("t"));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, PackIntegers,
                         testing::ValuesIn(ggml::quantisedTypes()), nameOf);

// T20
TEST(WeightPacker, ConcatenatesItsSources) {
  TestTensors tensors;
  tensors.addRandom("q", Type::Q8_0, 64, 64, 6);
  tensors.addRandom("k", Type::Q5_1, 32, 64, 7);
  tensors.addRandom("v", Type::Q4_0, 32, 64, 8);
  PackedWeight weight = weightOf({"q", "k", "v"}, Packing::PanelsI8, 128, 64);
  weight.hasMin = true;
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  std::vector<float> expected;
  for (const char *name : {"q", "k", "v"}) {
    std::vector<float> part = tensors.decoded(name);
    expected.insert(expected.end(), part.begin(), part.end());
  }
  expectSameValues(weight, *loaded, expected);
}

TEST(WeightPacker, ConcatenatesInsideAPanel) {
  TestTensors tensors;
  tensors.addRandom("a", Type::F32, 20, 8, 9);
  tensors.addRandom("b", Type::F16, 44, 8, 10);
  PackedWeight weight = weightOf({"a", "b"}, Packing::PanelsF32, 64, 8);
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  std::vector<float> a = tensors.decoded("a"), b = tensors.decoded("b");
  for (int64_t n = 0; n != 64; ++n)
    for (int64_t k = 0; k != 8; ++k)
      ASSERT_EQ(panelElement(*loaded, 8, n, k),
                n < 20 ? a[n * 8 + k] : b[(n - 20) * 8 + k])
          << "row " << n << ", column " << k;
}

// T20
TEST(WeightPacker, InterleavesItsSources) {
  TestTensors tensors;
  tensors.addRandom("gate", Type::F32, 64, 8, 11);
  tensors.addRandom("up", Type::F32, 64, 8, 12);
  std::vector<float> sources[2] = {tensors.decoded("gate"),
                                   tensors.decoded("up")};
  for (int64_t group : {8, 16, 32, 64}) {
    SCOPED_TRACE(group);
    PackedWeight weight = weightOf({"gate", "up"}, Packing::PanelsF32, 128, 8);
    weight.combine = Combine::Interleave;
    weight.group = group;
    Result<LoadedAlone> loaded = load(weight, tensors);
    ASSERT_TRUE(loaded) << loaded.error();
    // Row by row from the definition: `group` rows of each in turn.
    int64_t n = 0;
    for (int64_t first = 0; first != 64; first += group)
      for (const std::vector<float> &source : sources)
        for (int64_t row = first; row != first + group; ++row, ++n)
          for (int64_t k = 0; k != 8; ++k)
            ASSERT_EQ(panelElement(*loaded, 8, n, k), source[row * 8 + k])
                << "row " << n << ", column " << k;
  }
}

// T10, T20
TEST(WeightPacker, AddsAfterDecoding) {
  TestTensors tensors;
  tensors.add("t", 1, 4, {0.25f, -1, 0, 3});
  PackedWeight weight = weightOf({"t"}, Packing::Dense, 1, 4);
  weight.add = 1;
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  const float expected[] = {1.25f, 0, 1, 4};
  for (int i = 0; i != 4; ++i)
    EXPECT_EQ(at<float>(loaded->parts[0], i), expected[i]);
}

TEST(WeightPacker, LeavesRawWeightsInTheFile) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q6_K, 7, 256, 13);
  Result<LoadedAlone> loaded =
      load(weightOf({"t"}, Packing::Raw, 7, 256), tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_TRUE(loaded->parts.empty());
  EXPECT_EQ(loaded->raw.data, tensors.view("t").data);
  EXPECT_EQ(loaded->raw.type, Type::Q6_K);
  EXPECT_TRUE(tensors.released.empty());
}

TEST(WeightPacker, TakesAPartOfATensor) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 70, 160, 15);
  std::vector<float> all = tensors.decoded("t");
  for (Packing packing : {Packing::Dense, Packing::PanelsF32}) {
    PackedWeight weight = weightOf({"t"}, packing, 32, 64);
    weight.sources[0].part = WeightSource::Part{38, 96, 32, 32, 32};
    Result<LoadedAlone> loaded = load(weight, tensors);
    ASSERT_TRUE(loaded) << loaded.error();
    for (int64_t n = 0; n != 32; ++n)
      for (int64_t k = 0; k != 64; ++k)
        ASSERT_EQ(packing == Packing::Dense
                      ? at<float>(loaded->parts[0], n * 64 + k)
                      : panelElement(*loaded, 64, n, k),
                  all[(38 + n) * 160 + 96 + k])
            << "row " << n << ", column " << k;
  }
}

TEST(WeightPacker, LeavesAPartInTheFile) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 7, 160, 16);
  std::vector<float> all = tensors.decoded("t"), row(64);
  PackedWeight weight = weightOf({"t"}, Packing::Raw, 5, 64);
  weight.sources[0].part = WeightSource::Part{2, 32, 5, 5, 5};
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  ggml::decodeRow(Type::Q8_0, loaded->raw.row(3), row.data(), 64);
  for (int64_t k = 0; k != 64; ++k)
    EXPECT_EQ(row[k], all[5 * 160 + 32 + k]);
}

TEST(WeightPacker, TakesGroupsOfRowsApart) {
  // Four experts of 16 gates and then 16 ups each, in one tensor.
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 128, 64, 17);
  std::vector<float> all = tensors.decoded("t");
  WeightSource gates("t"), ups("t");
  gates.part = WeightSource::Part{0, 0, 64, 16, 32};
  ups.part = WeightSource::Part{16, 0, 64, 16, 32};
  PackedWeight weight = weightOf({ups}, Packing::Dense, 64, 64);
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  for (int64_t n = 0; n != 64; ++n)
    for (int64_t k = 0; k != 64; ++k)
      ASSERT_EQ(at<float>(loaded->parts[0], n * 64 + k),
                all[(n / 16 * 32 + 16 + n % 16) * 64 + k])
          << "row " << n << ", column " << k;

  // 16 rows of each in turn are the rows of the tensor as they are.
  weight = weightOf({gates, ups}, Packing::PanelsF32, 128, 64);
  weight.combine = Combine::Interleave;
  loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  for (int64_t n = 0; n != 128; ++n)
    for (int64_t k = 0; k != 64; ++k)
      ASSERT_EQ(panelElement(*loaded, 64, n, k), all[n * 64 + k])
          << "row " << n << ", column " << k;
  for (auto [data, size] : tensors.released) {
    EXPECT_GE(data, tensors.view("t").data);
    EXPECT_LE(data + size, tensors.view("t").row(128));
  }
}

TEST(WeightPacker, DoesNotDependOnTheThreads) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q4_K, 160, 256, 14);
  PackedWeight weight = panelsOf(Type::Q4_K, 160, 256);
  Result<LoadedAlone> one = load(weight, tensors, 1);
  Result<LoadedAlone> four = load(weight, tensors, 4);
  ASSERT_TRUE(one && four);
  for (size_t part = 0; part != 3; ++part) {
    ASSERT_EQ(one->parts[part].size(), four->parts[part].size());
    EXPECT_EQ(std::memcmp(one->parts[part].data(), four->parts[part].data(),
                          one->parts[part].size()),
              0);
  }
}

TEST(WeightPacker, GivesEveryByteOfASourceBackOnce) {
  TestTensors tensors;
  // Some ten megabytes: more than one stretch of packing.
  tensors.addRandom("t", Type::Q8_0, 9600, 1024, 15);
  PackedWeight weight = panelsOf(Type::Q8_0, 9600, 1024);
  ASSERT_TRUE(load(weight, tensors));
  EXPECT_GT(tensors.released.size(), 1u);
  const std::byte *next = tensors.view("t").data;
  for (auto [data, size] : tensors.released) {
    EXPECT_EQ(data, next);
    next = data + size;
  }
  EXPECT_EQ(next - tensors.view("t").data, 9600 * 1024 / 32 * 34);
}

TEST(WeightPacker, KeepsTheRestRightAfterAStretch) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 9600, 1024, 16);
  PackedWeight weight = panelsOf(Type::Q8_0, 9600, 1024);
  Result<LoadedAlone> loaded = load(weight, tensors);
  ASSERT_TRUE(loaded) << loaded.error();
  std::vector<float> expected = tensors.decoded("t");
  for (int64_t n = 0; n < 9600; n += 31)
    for (int64_t k = 0; k < 1024; k += 7)
      ASSERT_EQ(element(weight, *loaded, n, k).value(false),
                expected[n * 1024 + k])
          << "row " << n << ", column " << k;
}

TEST(WeightPacker, LaysWeightsSideBySide) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 64, 32, 18);
  tensors.addRandom("norm", Type::F32, 1, 24, 19);
  Plan plan;
  PackedWeight norm = weightOf({"norm"}, Packing::Dense, 1, 24);
  PackedWeight raw = weightOf({"t"}, Packing::Raw, 64, 32);
  plan.weights = {norm, raw, panelsOf(Type::Q8_0, 64, 32), norm};
  ThreadPool pool(1);
  Result<LoadedWeights> loaded = loadWeights(plan, tensors.source(), pool);
  ASSERT_TRUE(loaded) << loaded.error();
  const std::vector<LoadedWeight> &weights = loaded->weights;
  ASSERT_EQ(weights.size(), 4u);
  EXPECT_TRUE(weights[1].parts.empty());
  EXPECT_EQ(weights[1].raw.rows, 64);
  // Each part begins at the first line of the cache after the one before.
  const std::byte *expected = loaded->memory.data();
  for (const LoadedWeight &weight : weights)
    for (const BlockSlice &part : weight.parts) {
      EXPECT_EQ(part.data(), expected);
      expected += (part.size() + 63) / 64 * 64;
    }
  EXPECT_EQ(loaded->memory.size(),
            static_cast<size_t>(expected - loaded->memory.data()));
  EXPECT_EQ(
      std::memcmp(weights[0].parts[0].data(), weights[3].parts[0].data(), 96),
      0);
}

TEST(WeightPacker, WorksWithoutARelease) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 32, 32, 17);
  TensorSource source = tensors.source();
  source.release = nullptr;
  Plan plan;
  plan.weights = {panelsOf(Type::Q8_0, 32, 32)};
  ThreadPool pool(1);
  EXPECT_TRUE(loadWeights(plan, source, pool));
}
