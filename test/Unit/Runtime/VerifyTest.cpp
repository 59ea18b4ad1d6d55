// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Drafts in one step, and the way back from them.

#include "TestMachine.h"

using namespace flow;
using namespace flow::runtime;

namespace {

/// The plan of the machine with a schedule for drafts; the row tile is 4.
Plan verifyPlan(bool logitsAll = false, bool ring = true) {
  Plan plan = machinePlan(logitsAll, ring);
  plan.buffers.push_back({"verify.logits", {-1, kVocab}});
  Schedule verify = plan.schedules[0];
  verify.name = "verify";
  verify.logitsAll = true;
  verify.logits = 5;
  verify.steps[3].args[1] = Argument::buffer(5);
  plan.schedules.push_back(verify);
  return plan;
}

class VerifyTest : public TestMachine {
protected:
  static EngineOptions chunksOf(int64_t tokens) {
    EngineOptions options;
    options.prefillChunk = tokens;
    return options;
  }

  static std::string errorOf(const Status &status) {
    return status ? "(accepted)" : status.error();
  }

  /// That `logits` are those after `token`.
  static void expectLogits(const float *logits, int32_t token) {
    ASSERT_TRUE(logits);
    for (int64_t v = 0; v != kVocab; ++v)
      ASSERT_EQ(logits[v], static_cast<float>(100 * token + v));
  }
};

} // namespace

TEST_F(VerifyTest, RunsJustItsRows) {
  auto model = create(verifyPlan(), {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({5, 6, 7}));
  calls.clear();
  ASSERT_TRUE(sequence->verify({9, 3, 4, 8, 2}));
  EXPECT_EQ(sequence->position(), 8);
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].start, 3);
  EXPECT_EQ(calls[0].count, 5);
  EXPECT_EQ(calls[0].total, 8);
  EXPECT_EQ(calls[0].rows, 5);
  EXPECT_EQ(calls[0].tokens, (std::vector<float>{9, 3, 4, 8, 2}));
  EXPECT_EQ(calls[1].rows, 5);
  int64_t row = 0;
  for (int32_t token : {9, 3, 4, 8, 2})
    expectLogits(sequence->verified(row++), token);
  expectLogits(sequence->logits(), 2);
}

TEST_F(VerifyTest, TakesBackWhatWasGuessedWrong) {
  auto model = create(verifyPlan(), {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({5, 6, 7}));
  ASSERT_TRUE(sequence->verify({9, 3, 4, 8}));
  ASSERT_TRUE(sequence->truncate(7));
  expectLogits(sequence->logits(), 8);
  ASSERT_TRUE(sequence->truncate(5));
  EXPECT_EQ(sequence->position(), 5);
  expectLogits(sequence->logits(), 3);
  // The rows taken back are still there to be read.
  expectLogits(sequence->verified(2), 4);
  calls.clear();
  ASSERT_TRUE(sequence->verify({1, 2}));
  EXPECT_EQ(calls[0].start, 5);
  EXPECT_EQ(calls[0].total, 7);
  ASSERT_TRUE(sequence->truncate(6));
  ASSERT_TRUE(sequence->decode(11));
  EXPECT_EQ(sequence->position(), 7);
  expectLogits(sequence->logits(), 11);
  // Values remember tokens plus one: those of the text that is left.
  const float *values = callsOf("layer").back().values;
  std::vector<float> seen;
  for (int64_t p = 0; p != 7; ++p)
    seen.push_back(values[p * 32] - 1);
  EXPECT_EQ(seen, (std::vector<float>{5, 6, 7, 9, 3, 1, 11}));
}

TEST_F(VerifyTest, TokensOfOtherStepsLeaveNoLogits) {
  auto model = create(verifyPlan(), {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({5, 6, 7}));
  ASSERT_TRUE(sequence->truncate(3));
  expectLogits(sequence->logits(), 7);
  ASSERT_TRUE(sequence->truncate(2));
  EXPECT_EQ(sequence->logits(), nullptr);
  ASSERT_TRUE(sequence->verify({9, 3}));
  // The last token left stands before the draft.
  ASSERT_TRUE(sequence->truncate(2));
  EXPECT_EQ(sequence->logits(), nullptr);
  ASSERT_TRUE(sequence->verify({9, 3}));
  ASSERT_TRUE(sequence->decode(4));
  // What was verified before the last step is gone.
  ASSERT_TRUE(sequence->truncate(4));
  EXPECT_EQ(sequence->logits(), nullptr);
  ASSERT_TRUE(sequence->decode(8));
  expectLogits(sequence->logits(), 8);
}

TEST_F(VerifyTest, AllTheWayBackIsTheEmptySequence) {
  auto model = create(verifyPlan(), chunksOf(4));
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->truncate(0));
  ASSERT_TRUE(sequence->prefill(someTokens(100)));
  ASSERT_TRUE(sequence->truncate(0));
  EXPECT_EQ(sequence->position(), 0);
  EXPECT_EQ(sequence->logits(), nullptr);
  // The ring has forgotten nothing of what begins now.
  ASSERT_TRUE(sequence->prefill({5, 6, 7}));
  EXPECT_EQ(errorOf(sequence->truncate(1)), "(accepted)");
}

// A ring of 32 positions with a window of 9: the next token sees the last 8.
TEST_F(VerifyTest, GoesBackAsFarAsTheRingReaches) {
  auto model = create(verifyPlan(), chunksOf(4));
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill(someTokens(40)));
  const char *tooFar =
      "a sequence cannot be taken back to 15 tokens: the next one sees those "
      "from position 7 on, and cache cache has none before 8";
  EXPECT_EQ(errorOf(sequence->truncate(15)), tooFar);
  EXPECT_EQ(sequence->position(), 40);
  expectLogits(sequence->logits(), someTokens(40).back());
  EXPECT_EQ(errorOf(sequence->truncate(16)), "(accepted)");
  EXPECT_EQ(sequence->position(), 16);
  // What the tokens taken back have overwritten does not come again.
  ASSERT_TRUE(sequence->decode(3));
  EXPECT_EQ(errorOf(sequence->truncate(15)), tooFar);
  EXPECT_EQ(sequence->position(), 17);
  // A sequence that fits the ring can go anywhere.
  sequence->clear();
  ASSERT_TRUE(sequence->prefill(someTokens(32)));
  EXPECT_EQ(errorOf(sequence->truncate(1)), "(accepted)");
}

TEST_F(VerifyTest, CachesOfAllPositionsGoBackAnywhere) {
  auto model = create(verifyPlan(false, /*ring=*/false), chunksOf(4));
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill(someTokens(200)));
  EXPECT_EQ(errorOf(sequence->truncate(1)), "(accepted)");
}

TEST_F(VerifyTest, GoesBackOverAnyLastStep) {
  auto model = create(verifyPlan(), chunksOf(24));
  auto sequence = sequenceOf(*model);
  // A ring of 32 positions: 8 of the window and the largest step.
  EXPECT_EQ(sequence->verifiedAtOnce(), 24);
  for (int64_t position = 0; position + 24 <= 200; ++position) {
    ASSERT_TRUE(sequence->verify(someTokens(24)));
    EXPECT_EQ(errorOf(sequence->truncate(position)), "(accepted)");
    ASSERT_TRUE(sequence->decode(1));
  }
}

// Rows that a sink refused were written all the same.
TEST_F(VerifyTest, RefusedChunksCountAsWritten) {
  auto model = create(verifyPlan(/*logitsAll=*/true), chunksOf(4));
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill(someTokens(36)));
  auto refuse = [](const float *, int64_t) { return Status(Error{"no"}); };
  EXPECT_EQ(errorOf(sequence->prefill({1, 2, 3, 4}, refuse)), "no");
  EXPECT_EQ(sequence->position(), 36);
  EXPECT_NE(errorOf(sequence->truncate(15)), "(accepted)");
  EXPECT_EQ(errorOf(sequence->truncate(16)), "(accepted)");
}

TEST_F(VerifyTest, RefusesAndAppendsNothing) {
  EngineOptions options = chunksOf(8);
  options.context = 10;
  auto model = create(verifyPlan(), options);
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({1, 2, 3}));
  calls.clear();
  auto expectRefused = [&](const Status &status, const char *reason) {
    EXPECT_EQ(errorOf(status), reason);
    EXPECT_TRUE(calls.empty());
    EXPECT_EQ(sequence->position(), 3);
    expectLogits(sequence->logits(), 3);
  };
  expectRefused(sequence->verify({}), "a prompt must have at least one token");
  expectRefused(sequence->verify({4, 50}),
                "token 50 is outside the vocabulary of 50");
  expectRefused(sequence->verify(someTokens(8)),
                "8 tokens do not fit: the context of 10 has room for 7");
  expectRefused(sequence->truncate(-1),
                "a sequence of 3 tokens cannot be taken back to -1");
  expectRefused(sequence->truncate(4),
                "a sequence of 3 tokens cannot be taken back to 4");
}

TEST_F(VerifyTest, VerifiesNoMoreThanAStep) {
  auto model = create(verifyPlan(), chunksOf(6));
  auto sequence = sequenceOf(*model);
  EXPECT_EQ(sequence->verifiedAtOnce(), 8);
  EXPECT_EQ(errorOf(sequence->verify(someTokens(9))),
            "9 tokens are more than the 8 that are verified at once");
  EXPECT_EQ(errorOf(sequence->verify(someTokens(8))), "(accepted)");
  // Nor more than there is room for logits.
  auto large = create(verifyPlan(), {});
  auto other = sequenceOf(*large);
  EXPECT_EQ(other->verifiedAtOnce(), 48);
  EXPECT_EQ(errorOf(other->verify(someTokens(48))), "(accepted)");
  expectLogits(other->verified(47), someTokens(48).back());
}

TEST_F(VerifyTest, IsAskedForWhenCompiling) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  EXPECT_EQ(errorOf(sequence->verify({1, 2})),
            "the model was not compiled to verify drafts");
  EXPECT_EQ(sequence->position(), 0);
}

TEST_F(VerifyTest, PlansGoThroughTheirText) {
  std::string text = toJson(verifyPlan());
  Result<Plan> plan = planFromJson(text);
  ASSERT_TRUE(plan) << plan.error();
  EXPECT_EQ(toJson(*plan), text);
  const char *refused = "plan: schedule 'verify' must have any number of rows "
                        "and logits of every one";
  Plan one = verifyPlan();
  one.schedules[2].rows = 1;
  Result<Plan> read = planFromJson(toJson(one));
  EXPECT_EQ(read ? "(accepted)" : read.error(), refused);
  Plan last = verifyPlan();
  last.schedules[2].logitsAll = false;
  last.schedules[2].logits = 3;
  read = planFromJson(toJson(last));
  EXPECT_EQ(read ? "(accepted)" : read.error(), refused);
}
