// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How tokens of several sequences become steps, and what is refused.

#include "flow/Runtime/Batch.h"
#include "TestMachine.h"

#include <cmath>

using namespace flow;
using namespace flow::runtime;

namespace {

using Table = std::vector<std::array<int32_t, 4>>;
using Parts = std::vector<Batch::Part>;

/// What a call of `layers` saw.
struct LayersCall {
  /// By the schedule of single rows.
  bool decodes = false;
  Table table;
  int64_t rows = 0;
  std::vector<float> tokens, cosines;
  std::array<int64_t, 5> keySizes = {};
  std::array<int64_t, 5> valueSizes = {};
  const float *values = nullptr;
};

std::vector<LayersCall> layersCalls;

/// layers(x, angles, y, keys, values, sequences, rows): y = x, and values
/// remember the token of their position, plus one.
void layersFunction(void **args) {
  LayersCall call;
  MemRef<2> &x = memref<2>(args[1]), &y = memref<2>(args[3]);
  MemRef<3> &angles = memref<3>(args[2]);
  MemRef<5> &keys = memref<5>(args[4]);
  MemRef<5> &values = memref<5>(args[5]);
  MemRef<2> &sequences = memref<2>(args[6]);
  call.rows = *static_cast<int64_t *>(args[7]);
  call.tokens = tokensOf(x);
  for (int64_t t = 0; t != angles.sizes[0]; ++t)
    call.cosines.push_back(angles.aligned[t * angles.strides[0]]);
  call.keySizes = keys.sizes;
  call.valueSizes = values.sizes;
  call.values = values.aligned;
  const int32_t *table = reinterpret_cast<int32_t *>(sequences.aligned);
  for (int64_t i = 0; i != sequences.sizes[0]; ++i, table += 4) {
    call.table.push_back({table[0], table[1], table[2], table[3]});
    for (int32_t t = 0; t != table[2]; ++t)
      values.aligned[table[0] * values.strides[0] +
                     (table[3] + t) % values.sizes[3] * values.strides[3]] =
          call.tokens[table[1] + t] + 1;
  }
  for (int64_t i = 0; i != x.sizes[0] * kHidden; ++i)
    y.aligned[i] = x.aligned[i];
  layersCalls.push_back(std::move(call));
}

/// The same in the schedule of single rows.
void singlesFunction(void **args) {
  layersFunction(args);
  layersCalls.back().decodes = true;
}

/// The plan of the machine with schedules for batches; the row tile is 4.
Plan batchPlan(bool ring = false) {
  Plan plan = machinePlan(/*logitsAll=*/false, ring);
  plan.buffers.push_back({"batch.logits", {-1, kVocab}});
  Schedule batch = plan.schedules[0];
  batch.name = "batch";
  batch.logitsAll = true;
  batch.logits = 5;
  batch.steps[2].function = "layers";
  batch.steps[2].args = {Argument::buffer(0),
                         Argument::buffer(1),
                         Argument::buffer(2),
                         Argument::keys(0),
                         Argument::values(0),
                         Argument::sequences(),
                         Argument::ofScalar(Scalar::Rows)};
  // The head of the machine reads a count, which it ignores for every row.
  batch.steps[3].args = {Argument::buffer(2), Argument::buffer(5),
                         Argument::ofScalar(Scalar::Rows),
                         Argument::ofScalar(Scalar::Rows)};
  plan.schedules.push_back(batch);
  batch.name = "batch_decode";
  batch.steps[2].function = "singles";
  plan.schedules.push_back(batch);
  return plan;
}

class BatchTest : public TestMachine {
protected:
  BatchTest() {
    layersCalls.clear();
    SymbolLookup others = lookup;
    lookup = [others](const std::string &name) -> void * {
      if (name == "layers")
        return reinterpret_cast<void *>(&layersFunction);
      if (name == "singles")
        return reinterpret_cast<void *>(&singlesFunction);
      return others(name);
    };
  }

  static EngineOptions chunksOf(int64_t tokens, int64_t context = 0) {
    EngineOptions options;
    options.prefillChunk = tokens;
    options.context = context;
    return options;
  }

  static std::unique_ptr<Batch> batchOf(Model &model, int64_t slots) {
    Result<std::unique_ptr<Batch>> batch = Batch::create(model, slots);
    if (batch)
      return std::move(*batch);
    ADD_FAILURE() << batch.error();
    return nullptr;
  }

  static void append(Batch &batch, const Parts &parts,
                     const Batch::LogitsSink &sink = {}) {
    Status status = batch.append(parts, sink);
    EXPECT_TRUE(status) << status.error();
  }

  static std::string errorOf(Status status) {
    return status ? "(accepted)" : status.error();
  }

  static void expectLogits(const Batch &batch, int64_t slot, int32_t token) {
    const float *logits = batch.logits(slot);
    ASSERT_TRUE(logits);
    for (int64_t v = 0; v != kVocab; ++v)
      ASSERT_EQ(logits[v], static_cast<float>(100 * token + v));
  }
};

} // namespace

TEST_F(BatchTest, BeginsATileForEachPart) {
  auto model = create(batchPlan(), {});
  auto batch = batchOf(*model, 3);
  append(*batch, {{2, {5, 6, 7, 8, 9}}, {0, {3}}});
  ASSERT_EQ(layersCalls.size(), 1u);
  const LayersCall &call = layersCalls[0];
  EXPECT_EQ(call.table, (Table{{2, 0, 5, 0}, {0, 8, 1, 0}}));
  EXPECT_EQ(call.rows, 12);
  // Rows of padding hold token 0 at position 0.
  EXPECT_EQ(call.tokens,
            (std::vector<float>{5, 6, 7, 8, 9, 0, 0, 0, 3, 0, 0, 0}));
  const int positions[] = {0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0};
  for (size_t t = 0; t != 12; ++t)
    EXPECT_EQ(call.cosines[t],
              static_cast<float>(std::cos(positions[t] / 8.0)));
  EXPECT_EQ(batch->position(2), 5);
  EXPECT_EQ(batch->position(1), 0);
  EXPECT_EQ(batch->position(0), 1);
  expectLogits(*batch, 2, 9);
  expectLogits(*batch, 0, 3);
  EXPECT_EQ(batch->logits(1), nullptr);
}

TEST_F(BatchTest, KeepsASlotForEachSequence) {
  auto model = create(batchPlan(), chunksOf(512, /*context=*/40));
  auto batch = batchOf(*model, 3);
  append(*batch, {{1, {5, 6}}});
  append(*batch, {{0, {7}}, {1, {8, 9}}});
  const LayersCall &call = layersCalls.back();
  EXPECT_EQ(call.table, (Table{{0, 0, 1, 0}, {1, 4, 2, 2}}));
  EXPECT_EQ(call.keySizes, (std::array<int64_t, 5>{3, 2, 2, 64, 32}));
  EXPECT_EQ(call.valueSizes, (std::array<int64_t, 5>{3, 2, 2, 64, 32}));
  // Values of head 0 of each slot, a row of 6 for each position.
  auto rows = [&](int64_t slot) {
    std::vector<float> tokens;
    for (int64_t p = 0; p != 5; ++p)
      tokens.push_back(call.values[slot * 2 * 64 * 64 + p * 32]);
    return tokens;
  };
  EXPECT_EQ(rows(0), (std::vector<float>{8, 0, 0, 0, 0}));
  EXPECT_EQ(rows(1), (std::vector<float>{6, 7, 9, 10, 0}));
  EXPECT_EQ(rows(2), (std::vector<float>{0, 0, 0, 0, 0}));
  EXPECT_EQ(batch->cacheBytes(), 2u * 3 * 2 * 64 * 64 * sizeof(float));
}

// Rows of a byte each are moved as bytes.
TEST_F(BatchTest, GathersTheLastRowsOfNarrowBuffers) {
  Plan plan = batchPlan();
  plan.buffers[2] = {"y", {-1, 1}, ElementType::I8};
  lookup = [](const std::string &name) {
    return reinterpret_cast<void *>(name == "head" ? &headOfBytes
                                    : name == "layer"
                                        ? &layerOfBytes<layerFunction>
                                        : &layerOfBytes<layersFunction>);
  };
  auto model = create(plan, {});
  auto batch = batchOf(*model, 20);
  Parts parts;
  for (int64_t slot = 0; slot != 20; ++slot)
    parts.push_back({slot, someTokens(slot + 2)});
  append(*batch, parts);
  for (int64_t slot = 0; slot != 20; ++slot)
    expectLogits(*batch, slot, parts[slot].tokens.back());
}

TEST_F(BatchTest, RunsTheHeadForLastRowsOnly) {
  auto model = create(batchPlan(), {});
  auto batch = batchOf(*model, 20);
  Parts parts;
  std::vector<float> last;
  for (int64_t slot = 0; slot != 20; ++slot) {
    parts.push_back({slot, someTokens(slot + 2)});
    last.push_back(static_cast<float>(parts.back().tokens.back()));
  }
  append(*batch, parts);
  std::vector<Call> heads = callsOf("head");
  ASSERT_EQ(heads.size(), 1u);
  EXPECT_EQ(heads[0].rows, 20);
  EXPECT_EQ(heads[0].tokens, last);
  for (int64_t slot = 0; slot != 20; ++slot)
    expectLogits(*batch, slot, parts[slot].tokens.back());
}

TEST_F(BatchTest, RunsTheHeadInBlocks) {
  auto model = create(batchPlan(), {});
  auto batch = batchOf(*model, 50);
  Parts parts;
  for (int64_t slot = 0; slot != 50; ++slot)
    parts.push_back({slot, {static_cast<int32_t>(slot * 13 % kVocab)}});
  append(*batch, parts);
  std::vector<Call> heads = callsOf("head");
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads[0].rows, 48);
  EXPECT_EQ(heads[1].rows, 2);
  for (int64_t slot = 0; slot != 50; ++slot)
    expectLogits(*batch, slot, parts[slot].tokens[0]);
}

TEST_F(BatchTest, DecodesOneRowOfEach) {
  auto model = create(batchPlan(), {});
  auto batch = batchOf(*model, 6);
  append(*batch, {{4, {1, 2, 3}}, {0, {4, 5}}});
  EXPECT_FALSE(layersCalls.back().decodes);
  calls.clear();
  // A sequence of one token is one row too.
  append(*batch, {{0, {6}}, {5, {7}}, {4, {8}}, {2, {9}}, {1, {10}}});
  const LayersCall &call = layersCalls.back();
  EXPECT_TRUE(call.decodes);
  EXPECT_EQ(call.rows, 5);
  EXPECT_EQ(call.table, (Table{{0, 0, 1, 2},
                               {5, 1, 1, 0},
                               {4, 2, 1, 3},
                               {2, 3, 1, 0},
                               {1, 4, 1, 0}}));
  EXPECT_EQ(call.tokens, (std::vector<float>{6, 7, 8, 9, 10}));
  const int positions[] = {2, 0, 3, 0, 0};
  for (size_t t = 0; t != 5; ++t)
    EXPECT_EQ(call.cosines[t],
              static_cast<float>(std::cos(positions[t] / 8.0)));
  ASSERT_EQ(callsOf("head").size(), 1u);
  EXPECT_EQ(callsOf("head")[0].rows, 5);
  expectLogits(*batch, 0, 6);
  expectLogits(*batch, 4, 8);
  EXPECT_EQ(batch->position(4), 4);
  // One longer part, and all begin tiles.
  append(*batch, {{0, {1}}, {1, {2, 3}}});
  EXPECT_FALSE(layersCalls.back().decodes);
  EXPECT_EQ(layersCalls.back().rows, 8);
}

TEST_F(BatchTest, SplitsDecodingOfMoreThanAStep) {
  auto model = create(batchPlan(), chunksOf(4));
  auto batch = batchOf(*model, 7);
  Parts parts;
  for (int64_t slot = 0; slot != 7; ++slot)
    parts.push_back({slot, {static_cast<int32_t>(slot + 1)}});
  std::vector<int64_t> told;
  append(*batch, parts,
         [&](int64_t slot, const float *, int64_t rows) -> Status {
           EXPECT_EQ(rows, 1);
           told.push_back(slot);
           return {};
         });
  ASSERT_EQ(layersCalls.size(), 2u);
  EXPECT_EQ(layersCalls[0].rows, 4);
  EXPECT_EQ(layersCalls[1].rows, 3);
  EXPECT_TRUE(layersCalls[1].decodes);
  EXPECT_EQ(told, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6}));
  for (int32_t slot = 0; slot != 7; ++slot)
    expectLogits(*batch, slot, slot + 1);
}

TEST_F(BatchTest, SplitsWhatIsLargerThanAStep) {
  auto model = create(batchPlan(), chunksOf(12));
  auto batch = batchOf(*model, 4);
  append(*batch, {{0, someTokens(5)}, {1, someTokens(9)}, {2, {4}}});
  ASSERT_EQ(layersCalls.size(), 2u);
  EXPECT_EQ(layersCalls[0].table, (Table{{0, 0, 5, 0}, {1, 8, 4, 0}}));
  EXPECT_EQ(layersCalls[1].table, (Table{{1, 0, 5, 4}, {2, 8, 1, 0}}));
  // Each part has logits when its last token is there.
  ASSERT_EQ(callsOf("head").size(), 2u);
  expectLogits(*batch, 0, someTokens(5).back());
  expectLogits(*batch, 1, someTokens(9).back());
  expectLogits(*batch, 2, 4);
}

TEST_F(BatchTest, StepsAreNoLargerThanChunks) {
  // A ring has room for a window and a chunk, whatever others need.
  auto model = create(batchPlan(/*ring=*/true), chunksOf(6));
  auto batch = batchOf(*model, 2);
  append(*batch, {{0, someTokens(20)}});
  for (const LayersCall &call : layersCalls) {
    EXPECT_LE(call.table[0][2], 6);
    EXPECT_LE(call.rows, 8);
  }
  EXPECT_EQ(batch->position(0), 20);
}

TEST_F(BatchTest, TellsASinkTheLogitsOfEveryRow) {
  auto model = create(batchPlan(), chunksOf(60));
  auto batch = batchOf(*model, 3);
  Parts parts = {{2, someTokens(70)}, {0, someTokens(3)}, {1, someTokens(41)}};
  std::array<std::vector<int32_t>, 3> told;
  append(*batch, parts,
         [&](int64_t slot, const float *logits, int64_t rows) -> Status {
           for (int64_t row = 0; row != rows; ++row) {
             float first = logits[row * kVocab];
             EXPECT_EQ(logits[row * kVocab + 7], first + 7);
             told[slot].push_back(static_cast<int32_t>(first / 100));
           }
           return {};
         });
  for (const Batch::Part &part : parts) {
    EXPECT_EQ(told[part.slot], part.tokens);
    expectLogits(*batch, part.slot, part.tokens.back());
  }
}

TEST_F(BatchTest, KeepsWhatASinkTookBeforeItFailed) {
  auto model = create(batchPlan(), chunksOf(4));
  auto batch = batchOf(*model, 1);
  append(*batch, {{0, {9}}});
  int calls = 0;
  Status status = batch->append(
      {{0, someTokens(12)}}, [&](int64_t, const float *, int64_t) -> Status {
        return ++calls == 2 ? Status(Error{"full"}) : Status();
      });
  EXPECT_EQ(errorOf(status), "full");
  EXPECT_EQ(batch->position(0), 5);
  expectLogits(*batch, 0, someTokens(12)[3]);
  append(*batch, {{0, {3}}});
  EXPECT_EQ(layersCalls.back().table, (Table{{0, 0, 1, 5}}));
}

TEST_F(BatchTest, ClearsASlot) {
  auto model = create(batchPlan(), {});
  auto batch = batchOf(*model, 2);
  append(*batch, {{0, {1, 2}}, {1, {3}}});
  batch->clear(0);
  EXPECT_EQ(batch->position(0), 0);
  EXPECT_EQ(batch->logits(0), nullptr);
  expectLogits(*batch, 1, 3);
  append(*batch, {{0, {4}}});
  EXPECT_EQ(layersCalls.back().table, (Table{{0, 0, 1, 0}}));
}

TEST_F(BatchTest, RefusesAndAppendsNothing) {
  auto model = create(batchPlan(), chunksOf(512, /*context=*/10));
  auto batch = batchOf(*model, 2);
  append(*batch, {{0, {1, 2, 3}}});
  struct {
    Parts parts;
    const char *error;
  } cases[] = {
      {{}, "a batch must have at least one sequence"},
      {{{1, {4}}, {0, {}}}, "slot 0: a prompt must have at least one token"},
      {{{1, {4}}, {2, {4}}}, "slot 2: the batch has 2 slots"},
      {{{1, {4}}, {-1, {4}}}, "slot -1: the batch has 2 slots"},
      {{{1, {4}}, {0, {5}}, {1, {6}}},
       "slot 1: it is in two parts of one call"},
      {{{1, {4}}, {0, {50}}},
       "slot 0: token 50 is outside the vocabulary of 50"},
      {{{1, {4}}, {0, {-1}}},
       "slot 0: token -1 is outside the vocabulary of 50"},
      {{{1, {4}}, {0, someTokens(8)}},
       "slot 0: 8 tokens do not fit: the context of 10 has room for 7"},
  };
  size_t before = layersCalls.size();
  for (auto &c : cases) {
    EXPECT_EQ(errorOf(batch->append(c.parts)), c.error);
    EXPECT_EQ(batch->position(0), 3);
    EXPECT_EQ(batch->position(1), 0);
    EXPECT_EQ(batch->logits(1), nullptr);
  }
  EXPECT_EQ(layersCalls.size(), before);
  append(*batch, {{0, someTokens(7)}, {1, someTokens(10)}});
}

TEST_F(BatchTest, NeedsAScheduleAndSlots) {
  auto single = create(machinePlan(), {});
  Result<std::unique_ptr<Batch>> none = Batch::create(*single, 1);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error(), "the model was not compiled for batches");
  Plan old = batchPlan();
  old.schedules.pop_back();
  none = Batch::create(*create(old, {}), 1);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error(), "the model was not compiled for batches");
  auto model = create(batchPlan(), {});
  for (int64_t slots : {int64_t(-1), int64_t(0), int64_t(1) << 40}) {
    Result<std::unique_ptr<Batch>> batch = Batch::create(*model, slots);
    ASSERT_FALSE(batch);
    EXPECT_EQ(batch.error(),
              "a batch has 1 to 65536 slots, got " + std::to_string(slots));
  }
}

TEST_F(BatchTest, PlansGoThroughTheirText) {
  std::string text = toJson(batchPlan());
  Result<Plan> plan = planFromJson(text);
  ASSERT_TRUE(plan) << plan.error();
  EXPECT_EQ(toJson(*plan), text);
  auto model = create(*plan, {});
  auto batch = batchOf(*model, 1);
  append(*batch, {{0, {1, 2}}});
  expectLogits(*batch, 0, 2);
}

TEST_F(BatchTest, PlansThatCannotRunAreRefused) {
  struct {
    void (*change)(Plan &);
    const char *error;
  } cases[] = {
      {[](Plan &plan) {
         plan.schedules[2].logitsAll = false;
         plan.schedules[2].logits = 3;
       },
       "schedule 'batch' must have any number of rows and logits of every one"},
      {[](Plan &plan) { plan.schedules[2].rows = 1; },
       "schedule 'batch' must have any number of rows and logits of every one"},
      {[](Plan &plan) { plan.schedules[2].headBegin = 1; },
       "schedule 'batch' makes rows in the steps that serve logits"},
      {[](Plan &plan) { plan.schedules[2].headBegin = 2; },
       "schedule 'batch' reads caches or the table of sequences to serve "
       "logits"},
      {[](Plan &plan) {
         plan.schedules[2].steps[2].args[6] = Argument::ofScalar(Scalar::Start);
       },
       "schedule 'batch' has rows of several sequences, and a call reads where "
       "one is"},
      {[](Plan &plan) {
         plan.schedules[3].steps[2].args[6] = Argument::ofScalar(Scalar::Start);
       },
       "schedule 'batch_decode' has rows of several sequences, and a call "
       "reads "
       "where one is"},
      {[](Plan &plan) {
         plan.schedules[0].steps[2].args[5] = Argument::sequences();
       },
       "schedule 'prefill' has rows of one sequence, and a call reads a table "
       "of them"},
  };
  for (auto &c : cases) {
    Plan plan = batchPlan();
    c.change(plan);
    Result<Plan> read = planFromJson(toJson(plan));
    EXPECT_EQ(read ? "(accepted)" : read.error(),
              std::string("plan: ") + c.error);
  }
}
