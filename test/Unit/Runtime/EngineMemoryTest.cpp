// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the code gets to see of weights, caches and buffers, and logits of every
// row.

#include "TestMachine.h"

using namespace flow;
using namespace flow::runtime;
using flow::ggml::Type;

namespace {

class EngineMemoryTest : public TestMachine {
protected:
  /// Capacity of the cache for these options, as the code sees it.
  int64_t capacity(bool ring, int64_t context, int64_t chunk) {
    calls.clear();
    EngineOptions options;
    options.context = context;
    options.prefillChunk = chunk;
    auto model = create(machinePlan(false, ring), options);
    auto sequence = sequenceOf(*model);
    EXPECT_TRUE(sequence->prefill({1}));
    const Call &call = calls[0];
    EXPECT_EQ(call.keySizes[1] * 32, call.valueSizes[2]);
    return call.valueSizes[2];
  }

  /// The rank-R memref of part `part` of `weight`.
  template <size_t R>
  MemRef<R> describe(const PackedWeight &weight, int64_t part) {
    static MemRef<R> seen;
    Plan plan = machinePlan();
    plan.weights.push_back(weight);
    for (Schedule &schedule : plan.schedules) {
      schedule.steps[2].args = {Argument::weight(1, part)};
      schedule.steps.pop_back();
    }
    lookup = [](const std::string &) {
      return reinterpret_cast<void *>(
          +[](void **args) { seen = memref<R>(args[1]); });
    };
    auto model = create(plan, {});
    auto sequence = sequenceOf(*model);
    EXPECT_TRUE(sequence->decode(1));
    EXPECT_EQ(seen.allocated, seen.aligned);
    EXPECT_EQ(seen.offset, 0);
    return seen;
  }

  PackedWeight weightOf(Type type, Packing packing, int64_t rows,
                        int64_t cols) {
    tensors.addRandom("t", type, rows, cols, 1);
    PackedWeight weight;
    weight.name = "w";
    weight.sources = {"t"};
    weight.packing = packing;
    weight.rows = rows;
    weight.cols = cols;
    return weight;
  }

  struct Block {
    int64_t rows;
    std::vector<float> tokens;
  };
  /// Prefills with a sink and gives what it was told.
  std::vector<Block> sink(Sequence &sequence,
                          const std::vector<int32_t> &tokens) {
    std::vector<Block> blocks;
    Status status =
        sequence.prefill(tokens, [&](const float *logits, int64_t rows) {
          Block &block = blocks.emplace_back();
          block.rows = rows;
          for (int64_t row = 0; row != rows; ++row)
            block.tokens.push_back(logits[row * kVocab] / 100);
          return Status();
        });
    EXPECT_TRUE(status);
    return blocks;
  }
};

using Sizes2 = std::array<int64_t, 2>;
using Sizes3 = std::array<int64_t, 3>;
using Sizes4 = std::array<int64_t, 4>;

} // namespace

TEST_F(EngineMemoryTest, DescribesVectorsAndDenseMatrices) {
  auto vector = describe<1>(weightOf(Type::F32, Packing::Dense, 1, 24), 0);
  EXPECT_EQ(vector.sizes[0], 24);
  EXPECT_EQ(vector.strides[0], 1);
  auto matrix = describe<2>(weightOf(Type::F32, Packing::Dense, 3, 24), 0);
  EXPECT_EQ(matrix.sizes, (Sizes2{3, 24}));
  EXPECT_EQ(matrix.strides, (Sizes2{24, 1}));
}

TEST_F(EngineMemoryTest, DescribesFloatPanels) {
  auto panels = describe<3>(weightOf(Type::F32, Packing::PanelsF32, 96, 24), 0);
  EXPECT_EQ(panels.sizes, (Sizes3{3, 24, 32}));
  EXPECT_EQ(panels.strides, (Sizes3{24 * 32, 32, 1}));
}

TEST_F(EngineMemoryTest, DescribesThePartsOfIntegerPanels) {
  PackedWeight weight = weightOf(Type::Q4_K, Packing::PanelsI8, 96, 256);
  weight.scale = ScaleType::F32;
  weight.hasMin = true;
  EXPECT_EQ(describe<3>(weight, 0).sizes, (Sizes3{3, 64, 128}));
  EXPECT_EQ(describe<3>(weight, 0).strides, (Sizes3{64 * 128, 128, 1}));
  EXPECT_EQ(describe<3>(weight, 1).sizes, (Sizes3{3, 8, 32}));
  EXPECT_EQ(describe<3>(weight, 2).sizes, (Sizes3{3, 8, 32}));
  weight.block = 16;
  EXPECT_EQ(describe<3>(weight, 1).sizes, (Sizes3{3, 16, 32}));
  EXPECT_EQ(describe<3>(weight, 2).strides, (Sizes3{16 * 32, 32, 1}));
}

TEST_F(EngineMemoryTest, CountsTheBytesOfWeights) {
  Plan plan = machinePlan();
  // The table stays in the file.
  EXPECT_EQ(create(plan, {})->weightBytes(), 0u);
  plan.weights.push_back(weightOf(Type::Q8_0, Packing::PanelsI8, 64, 32));
  EXPECT_EQ(create(plan, {})->weightBytes(), 64u * 32 + 64 * 2);
}

TEST_F(EngineMemoryTest, KeepsAllPositionsWithoutAWindow) {
  EXPECT_EQ(capacity(false, 200, 4), 224);
  EXPECT_EQ(capacity(false, 64, 512), 64);
  EXPECT_EQ(capacity(false, 1, 4), 32);
}

// T18
TEST_F(EngineMemoryTest, KeepsAWindowAndAChunkInARing) {
  // A window of 9: 8 earlier positions and the rows of a step.
  EXPECT_EQ(capacity(true, 200, 4), 32);
  EXPECT_EQ(capacity(true, 200, 24), 32);
  // 25 tokens are 28 rows.
  EXPECT_EQ(capacity(true, 200, 25), 64);
  EXPECT_EQ(capacity(true, 200, 57), 96);
  // Never more than the context needs.
  EXPECT_EQ(capacity(true, 200, 512), 224);
  EXPECT_EQ(capacity(true, 40, 512), 64);
}

TEST_F(EngineMemoryTest, DescribesCachesByHeads) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({1}));
  EXPECT_EQ(calls[0].keySizes, (Sizes4{2, 7, 64, 32}));
  EXPECT_EQ(calls[0].valueSizes, (Sizes4{2, 2, 224, 32}));
  EXPECT_EQ(sequence->cacheBytes(), 2u * 2 * 224 * 64 * 4);
}

TEST_F(EngineMemoryTest, KeepsCachesBetweenStepsAndApartBetweenSequences) {
  EngineOptions options;
  options.prefillChunk = 4;
  auto model = create(machinePlan(false, false), options);
  auto first = sequenceOf(*model), second = sequenceOf(*model);
  ASSERT_TRUE(first->prefill({11, 12, 13, 14, 15, 16}));
  ASSERT_TRUE(first->decode(17));
  ASSERT_TRUE(second->prefill({21}));
  ASSERT_TRUE(first->decode(18));
  std::vector<Call> layers = callsOf("layer");
  ASSERT_EQ(layers.size(), 5u);
  for (size_t i : {1, 2, 4}) {
    EXPECT_EQ(layers[i].keys, layers[0].keys);
    EXPECT_EQ(layers[i].values, layers[0].values);
  }
  EXPECT_NE(layers[3].values, layers[0].values);
  EXPECT_NE(layers[3].keys, layers[3].values);
  // The layer has written the token plus one at each position; all else is 0.
  for (int64_t p = 0; p != 224; ++p) {
    EXPECT_EQ(layers[0].values[p * 32], p < 8 ? 12 + p : 0);
    EXPECT_EQ(layers[3].values[p * 32], p == 0 ? 22 : 0);
    EXPECT_EQ(layers[0].values[p * 32 + 1], 0);
  }
}

// T18
TEST_F(EngineMemoryTest, OverwritesTheOldestPositionsOfARing) {
  EngineOptions options;
  options.prefillChunk = 4;
  auto model = create(machinePlan(), options);
  auto sequence = sequenceOf(*model);
  std::vector<int32_t> tokens = someTokens(41);
  ASSERT_TRUE(sequence->prefill(tokens));
  ASSERT_EQ(calls[0].valueSizes[2], 32);
  for (int64_t p = 9; p != 41; ++p)
    EXPECT_EQ(calls[0].values[p % 32 * 32], tokens[p] + 1) << p;
}

TEST_F(EngineMemoryTest, GivesTheLogitsOfEveryRowInOrder) {
  auto model = create(machinePlan(true), {});
  auto sequence = sequenceOf(*model);
  std::vector<int32_t> tokens = someTokens(101);
  std::vector<Block> blocks = sink(*sequence, tokens);
  ASSERT_EQ(blocks.size(), 3u);
  std::vector<float> seen;
  for (const Block &block : blocks)
    seen.insert(seen.end(), block.tokens.begin(), block.tokens.end());
  EXPECT_EQ(seen, std::vector<float>(tokens.begin(), tokens.end()));
  // 101 tokens are 104 rows: blocks of 48, 48 and 8, the last with 5 tokens.
  std::vector<Call> heads = callsOf("head");
  ASSERT_EQ(heads.size(), 3u);
  const int64_t rows[] = {48, 48, 8}, valid[] = {48, 48, 5};
  for (int i = 0; i != 3; ++i) {
    EXPECT_EQ(heads[i].rows, rows[i]);
    EXPECT_EQ(heads[i].tokens.size(), static_cast<size_t>(rows[i]));
    EXPECT_EQ(heads[i].x, heads[0].x + 48 * i * kHidden);
    EXPECT_EQ(blocks[i].rows, valid[i]);
  }
  EXPECT_EQ(sequence->logits()[0], 100.0f * tokens.back());
  EXPECT_EQ(sequence->position(), 101);
}

// Rows of a byte each begin where their bytes do.
TEST_F(EngineMemoryTest, FindsTheRowsOfNarrowBuffers) {
  Plan plan = machinePlan(true);
  plan.buffers[2] = {"y", {-1, 1}, ElementType::I8};
  lookup = [](const std::string &name) {
    return reinterpret_cast<void *>(
        name == "layer" ? &layerOfBytes<layerFunction> : &headOfBytes);
  };
  auto model = create(plan, {});
  auto sequence = sequenceOf(*model);
  std::vector<int32_t> tokens = someTokens(101);
  std::vector<float> seen;
  for (const Block &block : sink(*sequence, tokens))
    seen.insert(seen.end(), block.tokens.begin(), block.tokens.end());
  EXPECT_EQ(seen, std::vector<float>(tokens.begin(), tokens.end()));
}

TEST_F(EngineMemoryTest, GivesTheLogitsOfEveryChunk) {
  EngineOptions options;
  options.prefillChunk = 50;
  auto model = create(machinePlan(true), options);
  auto sequence = sequenceOf(*model);
  std::vector<int32_t> tokens = someTokens(60);
  std::vector<Block> blocks = sink(*sequence, tokens);
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[0].rows, 48);
  EXPECT_EQ(blocks[1].rows, 2);
  EXPECT_EQ(blocks[2].rows, 10);
  EXPECT_EQ(blocks[2].tokens[0], tokens[50]);
  // The next step starts over with all its rows.
  ASSERT_TRUE(sequence->decode(9));
  EXPECT_EQ(callsOf("layer").back().start, 60);
  EXPECT_EQ(sequence->logits()[0], 900);
}

TEST_F(EngineMemoryTest, NeedsNoSinkForLogitsOfEveryRow) {
  EngineOptions options;
  options.prefillChunk = 50;
  auto model = create(machinePlan(true), options);
  auto sequence = sequenceOf(*model);
  std::vector<int32_t> tokens = someTokens(60);
  ASSERT_TRUE(sequence->prefill(tokens));
  // The head of the first chunk is left out.
  EXPECT_EQ(callsOf("head").size(), 1u);
  EXPECT_EQ(sequence->logits()[3], 100.0f * tokens.back() + 3);
}

TEST_F(EngineMemoryTest, PassesTheErrorOfTheSinkOn) {
  auto model = create(machinePlan(true), {});
  auto sequence = sequenceOf(*model);
  int blocks = 0;
  Status status =
      sequence->prefill(someTokens(101), [&](const float *, int64_t) -> Status {
        if (++blocks == 2)
          return Error{"the disk is full"};
        return {};
      });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error(), "the disk is full");
  EXPECT_EQ(blocks, 2);
}

TEST_F(EngineMemoryTest, KeepsTheChunksThatTheSinkTook) {
  EngineOptions options;
  options.prefillChunk = 4;
  auto model = create(machinePlan(true), options);
  auto sequence = sequenceOf(*model);
  int accepted = 0;
  Sequence::LogitsSink takesOnly = [&](const float *, int64_t) -> Status {
    if (accepted-- == 0)
      return Error{"the disk is full"};
    return {};
  };
  std::vector<int32_t> tokens = someTokens(41);
  // The first chunk fails: as if nothing had been asked.
  ASSERT_FALSE(sequence->prefill(tokens, takesOnly));
  EXPECT_EQ(sequence->position(), 0);
  EXPECT_EQ(sequence->logits(), nullptr);
  ASSERT_TRUE(sequence->decode(7));
  accepted = 0;
  ASSERT_FALSE(sequence->prefill(tokens, takesOnly));
  EXPECT_EQ(sequence->position(), 1);
  EXPECT_EQ(sequence->logits()[3], 703);
  // The third chunk fails: two are appended.
  accepted = 2;
  ASSERT_FALSE(sequence->prefill(tokens, takesOnly));
  EXPECT_EQ(sequence->position(), 9);
  EXPECT_EQ(sequence->logits()[3], 100.0f * tokens[7] + 3);
  // And the rest can follow.
  accepted = 100;
  ASSERT_TRUE(sequence->prefill({tokens.begin() + 8, tokens.end()}, takesOnly));
  EXPECT_EQ(sequence->position(), 42);
  EXPECT_EQ(sequence->logits()[3], 100.0f * tokens.back() + 3);
  for (int64_t p = 10; p != 42; ++p)
    EXPECT_EQ(calls[0].values[p % 32 * 32], tokens[p - 1] + 1) << p;
}

TEST_F(EngineMemoryTest, RefusesASinkWithoutLogitsOfEveryRow) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  Status status = sequence->prefill(
      {1, 2}, [](const float *, int64_t) { return Status(); });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error(),
            "the model was compiled for logits of the last token only");
  EXPECT_EQ(sequence->position(), 0);
  EXPECT_TRUE(calls.empty());
}
