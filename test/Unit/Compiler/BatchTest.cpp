// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// T9: sequences of different lengths that run in one call give the logits that
// each gives alone, bit for bit in f32, for a model of each generation.

#include "TestModels.h"

#include "flow/Runtime/Batch.h"

#include <cmath>
#include <set>

using namespace flow;
using runtime::Batch;

namespace {

using Rows = std::vector<std::vector<float>>;

/// The logits of every position of `tokens`, which are a sequence alone.
Rows aloneLogits(runtime::Model &model, const std::vector<int32_t> &tokens) {
  auto sequence = runtime::Sequence::create(model);
  if (!sequence) {
    ADD_FAILURE() << sequence.error();
    return {};
  }
  Rows rows;
  Status status = (*sequence)->prefill(
      tokens, [&](const float *logits, int64_t count) -> Status {
        for (int64_t row = 0; row != count; ++row)
          rows.emplace_back(logits + row * 512, logits + (row + 1) * 512);
        return {};
      });
  EXPECT_TRUE(status) << status.error();
  return rows;
}

/// A recipe by its path, threads, and rows of a step.
struct Run {
  const char *name, *recipe;
  int threads;
  int64_t chunk;
};

class BatchOfModel : public testing::TestWithParam<Run> {
protected:
  BatchOfModel() : model(GetParam().recipe, options(), compileOptions()) {}

  static CompileOptions compileOptions() {
    CompileOptions options;
    options.batch = true;
    options.logitsAll = true;
    return options;
  }

  static runtime::EngineOptions options() {
    runtime::EngineOptions options;
    options.threads = GetParam().threads;
    options.context = 128;
    options.prefillChunk = GetParam().chunk;
    return options;
  }

  std::unique_ptr<Batch> batchOf(int64_t slots) {
    auto batch = Batch::create(model.get(), slots);
    if (batch)
      return std::move(*batch);
    ADD_FAILURE() << batch.error();
    return nullptr;
  }

  TestModel model;
};

// Rings of 64 positions come round in steps of 24 and 40 rows.
constexpr Run kRuns[] = {
    {"gemma1", "docs/Gallery/gemma1", 1, 512},
    {"gemma2", "docs/Gallery/gemma2", 2, 24},
    {"gemma3", "docs/Gallery/gemma3", 1, 512},
    {"gemma3", "docs/Gallery/gemma3", 2, 40},
    {"gemma4_dense", "docs/Gallery/gemma4-dense", 2, 40},
    {"gemma4_e2b", "docs/Gallery/gemma4-e2b", 1, 24},
    {"experts", "test/Transforms/expand-layers-experts", 2, 40},
};

std::string runName(const testing::TestParamInfo<Run> &info) {
  return std::string(info.param.name) + "_" + std::to_string(info.param.chunk);
}

INSTANTIATE_TEST_SUITE_P(Recipes, BatchOfModel, testing::ValuesIn(kRuns),
                         runName);

} // namespace

TEST_P(BatchOfModel, GivesTheLogitsOfEachSequenceAlone) {
  // One row, less than a tile, several tiles, and far more than the window:
  // the ring of the last comes round.
  const size_t lengths[] = {1, 5, 37, 12, 100};
  std::vector<std::vector<int32_t>> tokens;
  std::vector<Rows> alone;
  std::vector<Batch::Part> parts;
  for (size_t length : lengths) {
    int64_t i = static_cast<int64_t>(tokens.size());
    tokens.push_back(randomTokens(length, 20 + static_cast<unsigned>(i)));
    alone.push_back(aloneLogits(model.get(), tokens.back()));
    ASSERT_EQ(alone.back().size(), length);
    // Slots in another order than rows.
    parts.push_back({4 - i, tokens.back()});
  }
  // What is compared is no constant and no rubbish.
  for (float value : alone.back().back())
    ASSERT_TRUE(std::isfinite(value) && std::abs(value) < 1e3f);
  ASSERT_EQ(
      std::set<std::vector<float>>(alone[4].begin(), alone[4].end()).size(),
      lengths[4]);

  for (bool hasSink : {false, true}) {
    SCOPED_TRACE(hasSink);
    std::unique_ptr<Batch> batch = batchOf(5);
    std::vector<Rows> told(5);
    Batch::LogitsSink sink = [&](int64_t slot, const float *logits,
                                 int64_t count) -> Status {
      for (int64_t row = 0; row != count; ++row)
        told[4 - slot].emplace_back(logits + row * 512,
                                    logits + (row + 1) * 512);
      return {};
    };
    Status status = batch->append(parts, hasSink ? sink : Batch::LogitsSink());
    ASSERT_TRUE(status) << status.error();
    for (size_t i = 0; i != parts.size(); ++i) {
      SCOPED_TRACE(i);
      int64_t slot = parts[i].slot;
      EXPECT_EQ(batch->position(slot), static_cast<int64_t>(lengths[i]));
      const float *last = batch->logits(slot);
      ASSERT_TRUE(last);
      EXPECT_EQ(std::vector<float>(last, last + 512), alone[i].back());
      if (hasSink)
        EXPECT_EQ(told[i], alone[i]);
    }
  }
}

TEST_P(BatchOfModel, GoesOnWhereSequencesStopped) {
  // Prompts and steps of one token mixed, as in a service: sequences come, are
  // decoded with others at other positions, and go.
  std::vector<int32_t> a = randomTokens(60, 1), b = randomTokens(45, 2),
                       c = randomTokens(20, 3);
  Rows aloneA = aloneLogits(model.get(), a),
       aloneB = aloneLogits(model.get(), b),
       aloneC = aloneLogits(model.get(), c);
  std::unique_ptr<Batch> batch = batchOf(2);
  auto expect = [&](int64_t slot, const Rows &alone) {
    int64_t position = batch->position(slot);
    ASSERT_GT(position, 0);
    const float *logits = batch->logits(slot);
    EXPECT_EQ(std::vector<float>(logits, logits + 512), alone[position - 1]);
  };
  auto append = [&](const std::vector<Batch::Part> &parts) {
    Status status = batch->append(parts);
    ASSERT_TRUE(status) << status.error();
  };
  append({{0, slice(a, 0, 30)}});
  expect(0, aloneA);
  append({{1, slice(b, 0, 17)}, {0, slice(a, 30, 31)}});
  expect(0, aloneA);
  expect(1, aloneB);
  for (size_t i = 0; i != 20; ++i) {
    append({{0, slice(a, 31 + i, 32 + i)}, {1, slice(b, 17 + i, 18 + i)}});
    expect(0, aloneA);
    expect(1, aloneB);
  }
  // A new sequence in the slot of another.
  batch->clear(0);
  EXPECT_EQ(batch->position(0), 0);
  EXPECT_EQ(batch->logits(0), nullptr);
  append({{0, c}, {1, slice(b, 37, 45)}});
  expect(0, aloneC);
  expect(1, aloneB);
  // To the last position: rows of padding behind it would have those of the
  // first positions, which a query without a window sees.
  std::vector<int32_t> d = randomTokens(128, 4);
  Rows aloneD = aloneLogits(model.get(), d);
  batch->clear(1);
  append({{1, slice(d, 0, 125)}});
  append({{1, slice(d, 125, 128)}});
  expect(1, aloneD);
}

// One row of each: fewer than a tile, whole tiles, and rows left over.
TEST_P(BatchOfModel, DecodesAnyNumberTogether) {
  std::vector<std::vector<int32_t>> tokens;
  std::vector<Rows> alone;
  std::vector<Batch::Part> prompts;
  for (int64_t i = 0; i != 7; ++i) {
    tokens.push_back(randomTokens(30 + 5 * i, 40 + i));
    alone.push_back(aloneLogits(model.get(), tokens.back()));
    prompts.push_back({i, slice(tokens.back(), 0, 20 + 5 * i)});
  }
  std::unique_ptr<Batch> batch = batchOf(7);
  Status status = batch->append(prompts);
  ASSERT_TRUE(status) << status.error();
  for (int64_t count : {7, 1, 4, 5, 2, 7}) {
    std::vector<Batch::Part> parts;
    for (int64_t i = 0; i != count; ++i) {
      // The last sequences first.
      int64_t slot = 6 - i, position = batch->position(slot);
      parts.push_back({slot, slice(tokens[slot], position, position + 1)});
    }
    status = batch->append(parts);
    ASSERT_TRUE(status) << status.error();
    for (const Batch::Part &part : parts) {
      const float *logits = batch->logits(part.slot);
      EXPECT_EQ(std::vector<float>(logits, logits + 512),
                alone[part.slot][batch->position(part.slot) - 1])
          << count << ' ' << part.slot;
    }
  }
}

// Keys and values that a sequence has left behind, a whole ring of them, are
// nothing to the next one.
TEST_P(BatchOfModel, SequencesAreNewAfterClearing) {
  std::vector<int32_t> before = randomTokens(100, 5),
                       tokens = randomTokens(30, 6);
  Rows alone = aloneLogits(model.get(), tokens);
  auto sequence = runtime::Sequence::create(model.get());
  ASSERT_TRUE(sequence) << sequence.error();
  ASSERT_TRUE((*sequence)->prefill(before));
  (*sequence)->clear();
  ASSERT_TRUE((*sequence)->prefill(slice(tokens, 0, 20)));
  for (size_t i = 20; i != tokens.size(); ++i) {
    ASSERT_TRUE((*sequence)->decode(tokens[i]));
    const float *logits = (*sequence)->logits();
    EXPECT_EQ(std::vector<float>(logits, logits + 512), alone[i]);
  }
}
