// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The memory that a plan takes, before and after it is taken.

#include "flow/Runtime/Memory.h"

#include "TestMachine.h"

using namespace flow;
using namespace flow::runtime;
using flow::ggml::Type;

namespace {

PackedWeight weightOf(Packing packing) {
  PackedWeight weight;
  weight.packing = packing;
  weight.rows = 96;
  weight.cols = 64;
  return weight;
}

using Bytes = std::vector<size_t>;

class MemoryTest : public TestMachine {};

} // namespace

TEST(Memory, BytesOfPackedWeights) {
  EXPECT_EQ(packedBytes(weightOf(Packing::Raw)), Bytes());
  EXPECT_EQ(packedBytes(weightOf(Packing::Dense)), Bytes({96 * 64 * 4}));
  EXPECT_EQ(packedBytes(weightOf(Packing::PanelsF32)), Bytes({96 * 64 * 4}));
  EXPECT_EQ(packedBytes(weightOf(Packing::PanelsBf16)), Bytes({96 * 64 * 2}));
  PackedWeight weight = weightOf(Packing::PanelsI8);
  weight.block = 16;
  EXPECT_EQ(packedBytes(weight), Bytes({96 * 64, 96 * 4 * 2}));
  weight.scale = ScaleType::F32;
  weight.hasMin = true;
  EXPECT_EQ(packedBytes(weight), Bytes({96 * 64, 96 * 4 * 4, 96 * 4 * 4}));
  weight.bits = 4;
  EXPECT_EQ(packedBytes(weight), Bytes({96 * 32, 96 * 4 * 4, 96 * 4 * 4}));
  weight.bits = 5;
  EXPECT_EQ(packedBytes(weight),
            Bytes({96 * 32, 96 * 8, 96 * 4 * 4, 96 * 4 * 4}));
  weight.bits = 6;
  EXPECT_EQ(packedBytes(weight),
            Bytes({96 * 32, 96 * 16, 96 * 4 * 4, 96 * 4 * 4}));
  weight = weightOf(Packing::PanelsI8);
  weight.leading = 5;
  EXPECT_EQ(packedBytes(weight), Bytes({96 * 32, 96 * 8, 96 * 24, 96 * 2 * 2}));
  weight.leading = 6;
  EXPECT_EQ(packedBytes(weight),
            Bytes({96 * 32, 96 * 16, 96 * 16, 96 * 2 * 2}));
  // More than 2^31 values.
  weight = weightOf(Packing::PanelsBf16);
  weight.rows = 262144;
  weight.cols = 10752;
  EXPECT_EQ(packedBytes(weight), Bytes({5637144576}));
}

TEST(Memory, ShapesOfPackedWeights) {
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(partShape(weightOf(Packing::Raw), 0), Shape());
  EXPECT_EQ(partShape(weightOf(Packing::Dense), 0), Shape({96, 64}));
  EXPECT_EQ(partShape(weightOf(Packing::PanelsF32), 0), Shape({3, 64, 32}));
  EXPECT_EQ(partShape(weightOf(Packing::PanelsBf16), 0), Shape({3, 32, 64}));
  PackedWeight vector = weightOf(Packing::Dense);
  vector.rows = 1;
  EXPECT_EQ(partShape(vector, 0), Shape({64}));
  // The elements of the parts of each width have the bytes of the parts.
  for (int64_t bits : {4, 5, 6, 8}) {
    PackedWeight weight = weightOf(Packing::PanelsI8);
    weight.bits = bits;
    weight.hasMin = true;
    std::vector<size_t> bytes = packedBytes(weight);
    ASSERT_EQ(bytes.size(), static_cast<size_t>(weight.parts()));
    for (size_t part = 0; part != bytes.size(); ++part) {
      Shape shape = partShape(weight, part);
      ASSERT_EQ(shape.size(), 3u);
      EXPECT_EQ(shape[0], 3);
      size_t element = part + 1 == bytes.size()   ? 4
                       : part + 2 == bytes.size() ? 2
                                                  : 1;
      EXPECT_EQ(shape[0] * shape[1] * shape[2] * element, bytes[part])
          << bits << " bits, part " << part;
    }
  }
}

TEST(Memory, ShapesOfLeadingBits) {
  using Shape = std::vector<int64_t>;
  for (int64_t leading : {5, 6}) {
    PackedWeight weight = weightOf(Packing::PanelsI8);
    weight.leading = leading;
    EXPECT_EQ(partShape(weight, 0), Shape({3, 8, 128}));
    EXPECT_EQ(partShape(weight, 1), Shape({3, 2 * (leading - 4), 128}));
    EXPECT_EQ(partShape(weight, 2), Shape({3, 2 * (8 - leading), 128}));
    EXPECT_EQ(partShape(weight, 3), Shape({3, 2, 32}));
  }
}

TEST(Memory, StepsAreWholeTiles) {
  Plan plan;
  plan.rowTile = 12;
  EXPECT_EQ(largestStep(plan, 8192, 512), 516);
  EXPECT_EQ(largestStep(plan, 8192, 12), 12);
  EXPECT_EQ(largestStep(plan, 5, 512), 12);
  EXPECT_EQ(logitsRows(plan), 48);
  plan.rowTile = 100;
  EXPECT_EQ(logitsRows(plan), 100);
}

TEST(Memory, RingsKeepAWindowAndAStep) {
  CachePlan ring{"ring", 1, 256, 512}, full{"full", 1, 256, 0};
  EXPECT_EQ(cachePositions(full, 8192, 516), 8192);
  EXPECT_EQ(cachePositions(full, 8161, 516), 8192);
  // 511 positions before the first row of the step, and its 516.
  EXPECT_EQ(cachePositions(ring, 8192, 516), 1056);
  EXPECT_EQ(cachePositions(ring, 8192, 1), 512);
  EXPECT_EQ(cachePositions(ring, 8192, 2), 544);
  // Never more than there are.
  EXPECT_EQ(cachePositions(ring, 600, 516), 608);
}

TEST(Memory, BuffersOfLogitsOfEveryRowAreSmall) {
  using Shapes = std::vector<std::vector<int64_t>>;
  Plan last = machinePlan(), all = machinePlan(/*logitsAll=*/true);
  EXPECT_EQ(bufferShapes(last, 160), (Shapes{{160, kHidden},
                                             {160, 3, 2},
                                             {160, kHidden},
                                             {1, kVocab},
                                             {1, kVocab}}));
  EXPECT_EQ(bufferShapes(all, 160)[3], (std::vector<int64_t>{48, kVocab}));
}

// What is planned is what is taken.
TEST_F(MemoryTest, IsWhatTheEngineTakes) {
  tensors.addRandom("t", Type::Q4_K, 96, 256, 1);
  for (bool ring : {false, true})
    for (Packing packing : {Packing::Raw, Packing::Dense, Packing::PanelsF32,
                            Packing::PanelsBf16, Packing::PanelsI8}) {
      Plan plan = machinePlan(false, ring);
      PackedWeight weight = weightOf(packing);
      weight.name = "w";
      weight.sources = {"t"};
      weight.cols = 256;
      weight.scale = ScaleType::F32;
      weight.hasMin = true;
      plan.weights.push_back(weight);
      EngineOptions options;
      options.context = 170;
      options.prefillChunk = 30;
      auto model = create(plan, options);
      size_t weights = 0;
      for (const PackedWeight &each : plan.weights)
        for (size_t bytes : packedBytes(each))
          weights += bytes;
      EXPECT_EQ(model->weightBytes(), weights);
      int64_t rows = largestStep(plan, options.context, options.prefillChunk);
      int64_t positions = cachePositions(plan.caches[0], options.context, rows);
      EXPECT_EQ(positions, ring ? 64 : 192);
      EXPECT_EQ(sequenceOf(*model)->cacheBytes(),
                static_cast<size_t>(2 * 4 * 2 * 64 * positions));
    }
}
