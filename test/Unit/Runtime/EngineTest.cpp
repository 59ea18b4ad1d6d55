// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How tokens become steps: chunks, padding, positions, and what is refused.

#include "TestMachine.h"

#include <cmath>

using namespace flow;
using namespace flow::runtime;

namespace {

class EngineTest : public TestMachine {
protected:
  static EngineOptions chunksOf(int64_t tokens) {
    EngineOptions options;
    options.prefillChunk = tokens;
    return options;
  }

  static std::vector<float> floats(const std::vector<int32_t> &tokens) {
    return {tokens.begin(), tokens.end()};
  }

  /// That the logits are those after `token`.
  static void expectLogits(const Sequence &sequence, int32_t token) {
    for (int64_t v = 0; v != kVocab; ++v)
      ASSERT_EQ(sequence.logits()[v], static_cast<float>(100 * token + v));
  }
};

} // namespace

TEST_F(EngineTest, PadsRowsToTheTile) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  std::vector<int32_t> tokens = {5, 6, 7, 8, 9};
  ASSERT_TRUE(sequence->prefill(tokens));
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].start, 0);
  EXPECT_EQ(calls[0].count, 5);
  EXPECT_EQ(calls[0].total, 5);
  EXPECT_EQ(calls[0].rows, 8);
  // Rows of padding hold token 0.
  EXPECT_EQ(calls[0].tokens, (std::vector<float>{5, 6, 7, 8, 9, 0, 0, 0}));
}

TEST_F(EngineTest, DoesNotPadWholeTiles) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill(someTokens(12)));
  EXPECT_EQ(calls[0].rows, 12);
  EXPECT_EQ(calls[0].tokens, floats(someTokens(12)));
}

TEST_F(EngineTest, SplitsAPromptIntoChunks) {
  auto model = create(machinePlan(), chunksOf(4));
  auto sequence = sequenceOf(*model);
  std::vector<int32_t> tokens = someTokens(10);
  ASSERT_TRUE(sequence->prefill(tokens));
  std::vector<Call> layers = callsOf("layer");
  ASSERT_EQ(layers.size(), 3u);
  std::vector<float> seen;
  for (size_t i = 0; i != 3; ++i) {
    int64_t count = i == 2 ? 2 : 4;
    EXPECT_EQ(layers[i].start, static_cast<int64_t>(4 * i));
    EXPECT_EQ(layers[i].count, count);
    EXPECT_EQ(layers[i].total, layers[i].start + count);
    EXPECT_EQ(layers[i].rows, 4);
    seen.insert(seen.end(), layers[i].tokens.begin(),
                layers[i].tokens.begin() + count);
  }
  EXPECT_EQ(seen, floats(tokens));
}

TEST_F(EngineTest, PadsChunksThatAreNoTiles) {
  auto model = create(machinePlan(), chunksOf(6));
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill(someTokens(10)));
  std::vector<Call> layers = callsOf("layer");
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].count, 6);
  EXPECT_EQ(layers[0].rows, 8);
  EXPECT_EQ(layers[1].start, 6);
  EXPECT_EQ(layers[1].count, 4);
  EXPECT_EQ(layers[1].rows, 4);
}

TEST_F(EngineTest, RunsTheHeadForTheLastChunkOnly) {
  auto model = create(machinePlan(), chunksOf(4));
  auto sequence = sequenceOf(*model);
  std::vector<int32_t> tokens = someTokens(10);
  ASSERT_TRUE(sequence->prefill(tokens));
  ASSERT_EQ(calls.size(), 4u);
  EXPECT_EQ(calls.back().function, "head");
  EXPECT_EQ(callsOf("head").size(), 1u);
  expectLogits(*sequence, tokens.back());
}

// T17
TEST_F(EngineTest, ContinuesWhereItStopped) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  EXPECT_EQ(sequence->position(), 0);
  ASSERT_TRUE(sequence->prefill({1, 2, 3}));
  EXPECT_EQ(sequence->position(), 3);
  ASSERT_TRUE(sequence->decode(4));
  EXPECT_EQ(sequence->position(), 4);
  ASSERT_TRUE(sequence->prefill({5, 6}));
  EXPECT_EQ(sequence->position(), 6);
  std::vector<Call> layers = callsOf("layer");
  ASSERT_EQ(layers.size(), 3u);
  EXPECT_EQ(layers[1].start, 3);
  EXPECT_EQ(layers[2].start, 4);
  EXPECT_EQ(layers[2].total, 6);
  expectLogits(*sequence, 6);
}

TEST_F(EngineTest, ClearedItBeginsAnew) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({1, 2, 3}));
  sequence->clear();
  EXPECT_EQ(sequence->position(), 0);
  EXPECT_EQ(sequence->logits(), nullptr);
  ASSERT_TRUE(sequence->prefill({4, 5}));
  std::vector<Call> layers = callsOf("layer");
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[1].start, 0);
  EXPECT_EQ(layers[1].total, 2);
  expectLogits(*sequence, 5);
}

TEST_F(EngineTest, DecodesOneRow) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->decode(7));
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].rows, 1);
  EXPECT_EQ(calls[0].count, 1);
  EXPECT_EQ(calls[0].tokens, std::vector<float>{7});
  expectLogits(*sequence, 7);
}

TEST_F(EngineTest, TakesAnyTokenOfTheVocabulary) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({0, kVocab - 1}));
  expectLogits(*sequence, kVocab - 1);
  ASSERT_TRUE(sequence->decode(0));
  expectLogits(*sequence, 0);
}

TEST_F(EngineTest, EmbedsQuantisedRows) {
  Plan plan = machinePlan();
  plan.weights[0].cols = plan.buffers[0].dims[1] = 32;
  tensors.addRandom("token_embd.weight", ggml::Type::Q8_0, kVocab, 32, 1);
  static std::vector<float> row;
  lookup = [](const std::string &name) {
    if (name == "head")
      return reinterpret_cast<void *>(+[](void **) {});
    return reinterpret_cast<void *>(+[](void **args) {
      MemRef<2> &x = memref<2>(args[1]);
      row.assign(x.aligned + 2 * 32, x.aligned + 3 * 32);
    });
  };
  auto model = create(plan, {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({3, 4, 49}));
  std::vector<float> table = tensors.decoded("token_embd.weight");
  ASSERT_EQ(row.size(), 32u);
  for (int i = 0; i != 32; ++i)
    EXPECT_EQ(row[i], table[49 * 32 + i] * 0.5f);
}

// T11, T17
TEST_F(EngineTest, GivesTheAnglesOfAbsolutePositions) {
  auto model = create(machinePlan(), chunksOf(4));
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill(someTokens(7)));
  const Call call = callsOf("layer")[1];
  ASSERT_EQ(call.angles.size(), 4u * 3 * 2);
  // One rounding of a double to f32 moves values up to 1 by 2^-25 at most; the
  // errors of the double functions are far smaller.
  constexpr double kBound = 0x1p-24;
  for (int64_t t = 0; t != 3; ++t)
    for (int64_t i = 0; i != 2; ++i) {
      // 10000^(-2/6) = 10^(-4/3).
      double frequency = i == 0 ? 1 : std::pow(10.0, -4.0 / 3);
      double angle = static_cast<double>(4 + t) * frequency / 8;
      EXPECT_NEAR(call.angles[(t * 3 + i) * 2], std::cos(angle), kBound);
      EXPECT_NEAR(call.angles[(t * 3 + i) * 2 + 1], std::sin(angle), kBound);
    }
  // The third pair does not rotate.
  for (int64_t t = 0; t != 4; ++t) {
    EXPECT_EQ(call.angles[(t * 3 + 2) * 2], 1);
    EXPECT_EQ(call.angles[(t * 3 + 2) * 2 + 1], 0);
  }
}

TEST_F(EngineTest, RefusesBadPromptsAndAppendsNothing) {
  EngineOptions options = chunksOf(4);
  options.context = 10;
  auto model = create(machinePlan(), options);
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({1, 2, 3}));
  calls.clear();
  auto expectRefused = [&](const Status &status, const char *reason) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error(), reason);
    EXPECT_TRUE(calls.empty());
    EXPECT_EQ(sequence->position(), 3);
    expectLogits(*sequence, 3);
  };
  expectRefused(sequence->prefill({}), "a prompt must have at least one token");
  // Bad tokens past the first chunk count too.
  expectRefused(sequence->prefill({1, 2, 3, 4, 5, 50}),
                "token 50 is outside the vocabulary of 50");
  expectRefused(sequence->prefill({-1}),
                "token -1 is outside the vocabulary of 50");
  expectRefused(sequence->decode(50),
                "token 50 is outside the vocabulary of 50");
  expectRefused(sequence->prefill(someTokens(8)),
                "8 tokens do not fit: the context of 10 has room for 7");
}

TEST_F(EngineTest, FillsTheContextToTheLastPosition) {
  EngineOptions options;
  options.context = 10;
  auto model = create(machinePlan(), options);
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill(someTokens(9)));
  ASSERT_TRUE(sequence->decode(3));
  Status status = sequence->decode(3);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error(),
            "1 tokens do not fit: the context of 10 has room for 0");
  EXPECT_EQ(sequence->position(), 10);
}

TEST_F(EngineTest, RefusesPlansWithoutThePhase) {
  for (size_t missing : {0, 1}) {
    Plan plan = machinePlan();
    plan.schedules.erase(plan.schedules.begin() + missing);
    auto model = create(plan, {});
    auto sequence = sequenceOf(*model);
    Status status = missing == 0 ? sequence->prefill({1}) : sequence->decode(1);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error(), missing == 0
                                  ? "the plan has no schedule for prefill"
                                  : "the plan has no schedule for decode");
    EXPECT_EQ(sequence->position(), 0);
  }
}

TEST_F(EngineTest, RefusesOptionsThatCannotBe) {
  auto errorOf = [&](int64_t context, int64_t chunk) {
    EngineOptions options = chunksOf(chunk);
    options.context = context;
    Result<std::unique_ptr<Model>> model = tryCreate(machinePlan(), options);
    return model ? "(created)" : model.error();
  };
  EXPECT_EQ(errorOf(201, 4),
            "a context of 201 positions is more than the model's 200");
  EXPECT_NE(errorOf(-1, 4), "(created)");
  EXPECT_EQ(errorOf(200, 0),
            "a prefill chunk must hold at least one token, got 0");
  EXPECT_EQ(errorOf(200, 1), "(created)");
}

TEST_F(EngineTest, TakesTheContextOfTheModelByDefault) {
  EXPECT_EQ(create(machinePlan(), {})->context(), 200);
  EngineOptions options;
  options.context = 17;
  EXPECT_EQ(create(machinePlan(), options)->context(), 17);
}

TEST_F(EngineTest, NamesTheFunctionThatIsMissing) {
  Plan plan = machinePlan();
  plan.schedules[1].steps[3].function = "tail";
  Result<std::unique_ptr<Model>> model = tryCreate(plan, {});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error(), "the code has no function 'tail'");
}

TEST_F(EngineTest, NamesTheTensorThatIsMissing) {
  Plan plan = machinePlan();
  plan.weights[0].sources = {"embedding"};
  Result<std::unique_ptr<Model>> model = tryCreate(plan, {});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error(),
            "weight table: tensor 'embedding' is not in the model file");
}

TEST_F(EngineTest, HandsTheThreadsToTheCode) {
  EngineOptions options;
  options.threads = 3;
  auto model = create(machinePlan(), options);
  auto sequence = sequenceOf(*model);
  // The layer copies its rows in a parallel loop.
  ASSERT_TRUE(sequence->prefill(someTokens(40)));
  EXPECT_EQ(callsOf("head")[0].tokens, floats(someTokens(40)));
}

namespace {

/// best(y, logits, tokens, count): as many candidates as there is room for,
/// whose logits and tokens follow from the last token.
void bestFunction(void **args) {
  MemRef<2> &y = memref<2>(args[1]), &logits = memref<2>(args[2]);
  auto *tokens = reinterpret_cast<int32_t *>(memref<2>(args[3]).aligned);
  int64_t count = *static_cast<int64_t *>(args[4]);
  float last = tokensOf(y)[count - 1];
  for (int64_t i = 0; i != logits.sizes[1]; ++i) {
    logits.aligned[i] = last - static_cast<float>(i);
    tokens[i] = static_cast<int32_t>(last) + static_cast<int32_t>(i);
  }
}

/// The plan of the machine, whose head gives three candidates.
Plan bestPlan() {
  Plan plan = machinePlan();
  plan.buffers.push_back({"best", {1, 3}});
  plan.buffers.push_back({"tokens", {1, 3}, ElementType::I32});
  for (Schedule &schedule : plan.schedules) {
    schedule.candidates = {5, 6};
    schedule.steps.back().function = "best";
    schedule.steps.back().args = {Argument::buffer(2), Argument::buffer(5),
                                  Argument::buffer(6),
                                  Argument::ofScalar(Scalar::Count)};
  }
  return plan;
}

} // namespace

TEST_F(EngineTest, CandidatesAreThoseOfTheLastToken) {
  SymbolLookup rest = lookup;
  lookup = [rest](const std::string &name) {
    return name == "best" ? reinterpret_cast<void *>(&bestFunction)
                          : rest(name);
  };
  auto model = create(bestPlan(), chunksOf(4));
  auto sequence = sequenceOf(*model);
  EXPECT_EQ(sequence->candidates().count, 0);
  EXPECT_EQ(sequence->candidates().logits, nullptr);
  auto expectCandidates = [&](int32_t token) {
    Candidates best = sequence->candidates();
    ASSERT_EQ(best.count, 3);
    for (int32_t i = 0; i != 3; ++i) {
      EXPECT_EQ(best.logits[i], static_cast<float>(token - i));
      EXPECT_EQ(best.tokens[i], token + i);
    }
    EXPECT_EQ(sequence->logits(), nullptr);
  };
  ASSERT_TRUE(sequence->prefill({9, 8, 7, 6, 5, 4}));
  expectCandidates(4);
  ASSERT_TRUE(sequence->decode(11));
  expectCandidates(11);
  sequence->clear();
  EXPECT_EQ(sequence->candidates().count, 0);
  // There are no logits that a sink could be told.
  auto sink = [](const float *, int64_t) { return Status(); };
  EXPECT_EQ(sequence->prefill({1}, sink).error(),
            "the model was compiled for logits of the last token only");
}

TEST_F(EngineTest, LogitsAreNoCandidates) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({3}));
  EXPECT_EQ(sequence->candidates().count, 0);
}
