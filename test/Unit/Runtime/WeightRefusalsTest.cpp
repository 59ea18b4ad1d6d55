// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weights whose tensors do not fit the plan are refused by name.

#include "TestTensors.h"

#include <gtest/gtest.h>

using namespace flow;
using namespace flow::runtime;
using flow::ggml::Type;

namespace {

/// Why the weight cannot be loaded.
std::string errorOf(const PackedWeight &weight, TestTensors &tensors) {
  Plan plan;
  plan.weights = {weight};
  ThreadPool pool(1);
  Result<LoadedWeights> loaded = loadWeights(plan, tensors.source(), pool);
  return loaded ? "(loaded)" : loaded.error();
}

/// 8-bit panels of 32 rows of 256 from the tensor `t`: blocks of 32, scales of
/// 16 bits and no minima.
PackedWeight narrowPanels() {
  PackedWeight weight;
  weight.name = "w";
  weight.sources = {"t"};
  weight.packing = Packing::PanelsI8;
  weight.rows = 32;
  weight.cols = 256;
  return weight;
}

std::string errorOfType(const PackedWeight &weight, Type type) {
  TestTensors tensors;
  tensors.addRandom("t", type, 32, 256, 1);
  return errorOf(weight, tensors);
}

std::string misfit(const char *type) {
  return std::string("weight w: tensor 't' stored as ") + type +
         " does not fit the planned integer layout";
}

} // namespace

TEST(WeightRefusals, MissingTensor) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 32, 256, 1);
  PackedWeight weight = narrowPanels();
  weight.sources = {"t", "u"};
  EXPECT_EQ(errorOf(weight, tensors),
            "weight w: tensor 'u' is not in the model file");
}

TEST(WeightRefusals, BlocksThatDoNotHoldTheTensor) {
  PackedWeight weight = narrowPanels();
  weight.packing = Packing::WeightBlocks;
  weight.offset = 0;
  EXPECT_EQ(errorOfType(weight, Type::Q8_0), "(loaded)");
  EXPECT_EQ(errorOfType(weight, Type::Q4_1), misfit("Q4_1"));
  EXPECT_EQ(errorOfType(weight, Type::IQ4_XS), misfit("IQ4_XS"));
  EXPECT_EQ(errorOfType(weight, Type::F16), misfit("F16"));
  weight.bits = 4;
  weight.offset = 8;
  EXPECT_EQ(errorOfType(weight, Type::Q4_0), "(loaded)");
  EXPECT_EQ(errorOfType(weight, Type::Q5_0), misfit("Q5_0"));
}

TEST(WeightRefusals, AnotherWidth) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 32, 512, 1);
  EXPECT_EQ(errorOf(narrowPanels(), tensors),
            "weight w: tensor 't' has rows of 512, expected 256");
}

TEST(WeightRefusals, AnotherNumberOfRows) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 64, 256, 1);
  EXPECT_EQ(errorOf(narrowPanels(), tensors),
            "weight w: its sources have 64 rows, expected 32");
  PackedWeight raw = narrowPanels();
  raw.packing = Packing::Raw;
  EXPECT_EQ(errorOf(raw, tensors),
            "weight w: its sources have 64 rows, expected 32");
}

TEST(WeightRefusals, PartsThatAreNotThere) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 40, 512, 1);
  PackedWeight weight = narrowPanels();
  for (auto [row, col] : {std::pair<int64_t, int64_t>{9, 0}, {0, 288}}) {
    weight.sources[0].part = WeightSource::Part{row, col, 32, 32, 32};
    EXPECT_EQ(errorOf(weight, tensors),
              "weight w: tensor 't' is 40x512, which has no 32x256 at row " +
                  std::to_string(row) + " and column " + std::to_string(col));
  }
  weight.sources[0].part = WeightSource::Part{8, 16, 32, 32, 32};
  EXPECT_EQ(errorOf(weight, tensors),
            "weight w: tensor 't' cannot be cut between its blocks");
  weight.sources[0].part = WeightSource::Part{8, 256, 32, 32, 32};
  EXPECT_EQ(errorOf(weight, tensors), "(loaded)");
  // Two groups of 16, the second up to the last row and beyond it.
  weight.sources[0].part = WeightSource::Part{0, 256, 32, 16, 24};
  EXPECT_EQ(errorOf(weight, tensors), "(loaded)");
  for (auto [row, stride] :
       {std::pair<int64_t, int64_t>{1, 24}, {0, int64_t(1) << 40}}) {
    weight.sources[0].part = WeightSource::Part{row, 256, 32, 16, stride};
    EXPECT_EQ(errorOf(weight, tensors),
              "weight w: tensor 't' is 40x512, which has no 32x256 at row " +
                  std::to_string(row) + " and column 256");
  }
}

TEST(WeightRefusals, TypesThatCannotBeDecoded) {
  TestTensors tensors;
  tensors.put("t", Type::MXFP4, 32, 256,
              std::vector<std::byte>(32 * 256 / 32 * 17));
  for (Packing packing :
       {Packing::Raw, Packing::Dense, Packing::PanelsF32, Packing::PanelsI8}) {
    PackedWeight weight = narrowPanels();
    weight.packing = packing;
    EXPECT_EQ(errorOf(weight, tensors),
              "weight w: tensor 't' is stored as MXFP4, which cannot be "
              "computed with");
  }
}

TEST(WeightRefusals, FloatsInPanelsOf8Bits) {
  PackedWeight weight = narrowPanels();
  weight.scale = ScaleType::F32;
  weight.hasMin = true;
  weight.block = 16;
  EXPECT_EQ(errorOfType(weight, Type::F32), misfit("F32"));
  EXPECT_EQ(errorOfType(weight, Type::F16), misfit("F16"));
  EXPECT_EQ(errorOfType(weight, Type::BF16), misfit("BF16"));
}

TEST(WeightRefusals, MinimaWithoutAPlaceForThem) {
  EXPECT_EQ(errorOfType(narrowPanels(), Type::Q4_1), misfit("Q4_1"));
  EXPECT_EQ(errorOfType(narrowPanels(), Type::Q5_1), misfit("Q5_1"));
  PackedWeight weight = narrowPanels();
  weight.scale = ScaleType::F32;
  EXPECT_EQ(errorOfType(weight, Type::Q4_K), misfit("Q4_K"));
  EXPECT_EQ(errorOfType(weight, Type::Q5_K), misfit("Q5_K"));
  weight.block = 16;
  EXPECT_EQ(errorOfType(weight, Type::Q2_K), misfit("Q2_K"));
}

TEST(WeightRefusals, ScalesThatNeed32Bits) {
  PackedWeight weight = narrowPanels();
  weight.hasMin = true;
  weight.block = 16;
  EXPECT_EQ(errorOfType(weight, Type::Q2_K), misfit("Q2_K"));
  EXPECT_EQ(errorOfType(weight, Type::Q3_K), misfit("Q3_K"));
  EXPECT_EQ(errorOfType(weight, Type::Q4_K), misfit("Q4_K"));
  EXPECT_EQ(errorOfType(weight, Type::Q6_K), misfit("Q6_K"));
  EXPECT_EQ(errorOfType(weight, Type::IQ4_XS), misfit("IQ4_XS"));
}

TEST(WeightRefusals, BlocksOf16InBlocksOf32) {
  PackedWeight weight = narrowPanels();
  weight.scale = ScaleType::F32;
  weight.hasMin = true;
  EXPECT_EQ(errorOfType(weight, Type::Q2_K), misfit("Q2_K"));
  EXPECT_EQ(errorOfType(weight, Type::Q3_K), misfit("Q3_K"));
  EXPECT_EQ(errorOfType(weight, Type::Q6_K), misfit("Q6_K"));
}

TEST(WeightRefusals, QuantsOutsideOfTheirBits) {
  PackedWeight weight = narrowPanels();
  weight.scale = ScaleType::F32;
  weight.hasMin = true;
  weight.bits = 4;
  weight.offset = 0;
  EXPECT_EQ(errorOfType(weight, Type::Q4_K), "(loaded)");
  EXPECT_EQ(errorOfType(weight, Type::Q4_0), misfit("Q4_0"));
  EXPECT_EQ(errorOfType(weight, Type::Q5_K), misfit("Q5_K"));
  weight.offset = 8;
  EXPECT_EQ(errorOfType(weight, Type::Q4_0), "(loaded)");
  EXPECT_EQ(errorOfType(weight, Type::Q4_K), misfit("Q4_K"));
  weight.bits = 5;
  weight.offset = 16;
  EXPECT_EQ(errorOfType(weight, Type::Q5_0), "(loaded)");
  EXPECT_EQ(errorOfType(weight, Type::Q5_K), misfit("Q5_K"));
  EXPECT_EQ(errorOfType(weight, Type::Q8_0), misfit("Q8_0"));
  weight.bits = 6;
  weight.offset = 32;
  EXPECT_EQ(errorOfType(weight, Type::Q5_K), "(loaded)");
  EXPECT_EQ(errorOfType(weight, Type::IQ4_NL), misfit("IQ4_NL"));
}

TEST(WeightRefusals, AdditionsToIntegers) {
  PackedWeight weight = narrowPanels();
  weight.add = 1;
  EXPECT_EQ(errorOfType(weight, Type::Q8_0), misfit("Q8_0"));
}

TEST(WeightRefusals, OneBadSourceAmongGoodOnes) {
  TestTensors tensors;
  tensors.addRandom("t", Type::Q8_0, 32, 256, 1);
  tensors.addRandom("u", Type::Q5_1, 32, 256, 2);
  PackedWeight weight = narrowPanels();
  weight.sources = {"t", "u"};
  weight.rows = 64;
  EXPECT_EQ(errorOf(weight, tensors),
            "weight w: tensor 'u' stored as Q5_1 does not fit the planned "
            "integer layout");
}

TEST(PageBlock, HoldsZeroedPages) {
  Result<PageBlock> block = PageBlock::allocate(5000, false);
  ASSERT_TRUE(block) << block.error();
  EXPECT_EQ(block->size(), 5000u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block->data()) % 4096, 0u);
  for (size_t i = 0; i != 5000; ++i)
    ASSERT_EQ(block->data()[i], std::byte(0));
}

TEST(PageBlock, BeginsWhereALargePageCan) {
  constexpr size_t kLarge = size_t(2) << 20;
  for (size_t size : {kLarge - 1, kLarge, kLarge + 1, 3 * kLarge + 5000}) {
    Result<PageBlock> block = PageBlock::allocate(size, /*hugePages=*/true);
    ASSERT_TRUE(block) << block.error();
    EXPECT_EQ(block->size(), size);
    if (size >= kLarge) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block->data()) % kLarge, 0u);
    }
    // All of it is there, to the last byte.
    for (size_t i = 0; i < size; i += 4096) {
      ASSERT_EQ(block->data()[i], std::byte(0));
      block->data()[i] = std::byte(1);
    }
    block->data()[size - 1] = std::byte(1);
  }
}

TEST(PageBlock, MovesItsMemory) {
  Result<PageBlock> block = PageBlock::allocate(100, false);
  ASSERT_TRUE(block) << block.error();
  std::byte *memory = block->data();
  PageBlock moved = std::move(*block);
  EXPECT_EQ(moved.data(), memory);
  EXPECT_EQ(block->data(), nullptr);
  EXPECT_EQ(block->size(), 0u);
  PageBlock assigned;
  assigned = std::move(moved);
  EXPECT_EQ(assigned.data(), memory);
  EXPECT_EQ(assigned.size(), 100u);
}

TEST(PageBlock, SaysHowMuchIsNotToBeHad) {
  // More than any address space.
  Result<PageBlock> block = PageBlock::allocate(size_t(1) << 62, false);
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error(),
            "out of memory: 4611686018427387904 bytes are not to be had");
  block = PageBlock::allocate(SIZE_MAX, true);
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error(),
            "out of memory: 18446744073709551615 bytes are not to be had");
}
