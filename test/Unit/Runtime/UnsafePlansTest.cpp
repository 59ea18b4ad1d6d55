// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans and files that would lead beyond a buffer are refused, and rows go to
// the code in whole tiles.

#include "TestMachine.h"
#include "TestPlans.h"

using namespace flow;
using namespace flow::runtime;

namespace {

std::string errorOf(const std::string &text) {
  Result<Plan> plan = planFromJson(text);
  return plan ? "(accepted)" : plan.error();
}

std::string errorOf(const Plan &plan) { return errorOf(toJson(plan)); }

class UnsafePlans : public TestMachine {
protected:
  std::string errorOfSequence(Plan plan) {
    std::unique_ptr<Model> model = create(std::move(plan), {});
    if (!model)
      return "";
    Result<std::unique_ptr<Sequence>> sequence = Sequence::create(*model);
    return sequence ? "(accepted)" : sequence.error();
  }
};

class LogitsBlocks : public TestMachine {};

} // namespace

TEST(UnsafePlan, EmbeddingsOfManyRowsInABufferOfOne) {
  Plan plan = fullPlan();
  plan.buffers[0].dims = {1, 64};
  EXPECT_EQ(errorOf(plan), "plan: buffer 'x' has another shape than the step "
                           "that fills it");
}

TEST(UnsafePlan, AnglesOfManyRowsInABufferOfOne) {
  Plan plan = fullPlan();
  plan.buffers[1].dims = {1, 16, 2};
  EXPECT_EQ(errorOf(plan), "plan: buffer 'angles' has another shape than the "
                           "step that fills it");
}

// Too small for what is written, or read as what it is not.
TEST(UnsafePlan, BuffersOfTheRuntimeThatAreNotF32) {
  for (ElementType element :
       {ElementType::BF16, ElementType::I8, ElementType::I32})
    for (size_t buffer : {0, 1, 2}) {
      Plan plan = fullPlan();
      plan.buffers[buffer].element = element;
      EXPECT_EQ(errorOf(plan), "plan: buffer '" + plan.buffers[buffer].name +
                                   "' must be of f32 for the step that fills "
                                   "it");
    }
}

TEST(UnsafePlan, AllLogitsInABufferOfOneRow) {
  Plan plan = fullPlan();
  plan.schedules[0].logitsAll = true;
  EXPECT_EQ(errorOf(plan), "plan: buffer 'logits' has another shape than the "
                           "step that fills it");
}

TEST(UnsafePlan, LastLogitsAmongThoseOfEveryRow) {
  Plan plan = fullPlan();
  plan.buffers[2].dims = {-1, 96};
  EXPECT_EQ(errorOf(plan), "plan: schedule 'prefill' has logits of every row "
                           "and promises those of the last");
}

// Too short for what is read, or read as what they are not.
TEST(UnsafePlan, CandidatesThatAreNoRowsOfOneLength) {
  auto refuses = [](auto change) {
    Plan plan = candidatesPlan();
    change(plan.buffers[6], plan.buffers[7]);
    EXPECT_EQ(errorOf(plan),
              "plan: the candidates in buffers 'best' and 'tokens' must be one "
              "row of f32 and one of i32, as long as each other and no longer "
              "than the vocabulary");
  };
  EXPECT_EQ(errorOf(candidatesPlan()), "(accepted)");
  refuses([](BufferPlan &best, BufferPlan &) { best.dims = {1, 9}; });
  refuses([](BufferPlan &, BufferPlan &tokens) { tokens.dims = {1, 7}; });
  refuses([](BufferPlan &best, BufferPlan &tokens) {
    best.dims = tokens.dims = {2, 8};
  });
  refuses([](BufferPlan &best, BufferPlan &tokens) {
    best.dims = tokens.dims = {-1, 8};
  });
  refuses([](BufferPlan &best, BufferPlan &tokens) {
    best.dims = tokens.dims = {1};
  });
  refuses([](BufferPlan &best, BufferPlan &tokens) {
    best.dims = tokens.dims = {1, 97};
  });
  refuses(
      [](BufferPlan &best, BufferPlan &) { best.element = ElementType::BF16; });
  refuses([](BufferPlan &, BufferPlan &tokens) {
    tokens.element = ElementType::F32;
  });
}

// A sequence has room for one of them.
TEST(UnsafePlan, SchedulesThatDoNotAgreeInTheirCandidates) {
  Plan plan = candidatesPlan();
  plan.schedules[1].candidates.reset();
  plan.schedules[1].logits = 2;
  EXPECT_EQ(errorOf(plan), "plan: schedule 'decode' has another number of "
                           "candidates than the one before");
}

TEST(UnsafePlan, AnglesThatAreNoNumbers) {
  for (double Step::*member : {&Step::theta, &Step::factor}) {
    Plan plan = fullPlan();
    for (double value : {0.0, -1.0}) {
      plan.schedules[0].steps[1].*member = value;
      EXPECT_EQ(errorOf(plan),
                "plan: 'theta' and 'factor' of rope angles must be positive");
    }
  }
}

TEST(UnsafePlan, RawWeightsWithAnAddition) {
  Plan plan = fullPlan();
  plan.weights[0].add = 1;
  EXPECT_EQ(errorOf(plan),
            "plan: weight 'table' is raw and cannot be added to");
}

TEST(UnsafePlan, TwoSchedulesOfOneName) {
  Plan plan = fullPlan();
  plan.schedules[1].name = "prefill";
  EXPECT_EQ(errorOf(plan), "plan: there are two schedules 'prefill'");
}

TEST(UnsafePlan, ListsInListsWhereANumberBelongs) {
  // The message does not quote them, at any depth.
  std::string deep(1000000, '['), end(1000000, ']');
  EXPECT_EQ(errorOf("{\"version\":" + deep + end + "}"),
            "plan: 'version' must be an integer from 0 to 1048576, got array");
}

TEST(UnsafePlan, NamesThatAreNoText) {
  Plan plan = fullPlan();
  plan.weights[0].sources = {"a\xff"};
  Result<Plan> read = planFromJson(toJson(plan));
  ASSERT_TRUE(bool(read)) << read.error();
  EXPECT_EQ(read->weights[0].sources.front().name, "a\xef\xbf\xbd");
}

TEST(UnsafeWeights, InterleavedSourcesOfUnequalSize) {
  TestTensors tensors;
  tensors.addRandom("a", ggml::Type::F32, 16, 32, 1);
  tensors.addRandom("b", ggml::Type::F32, 48, 32, 2);
  Plan plan;
  PackedWeight weight;
  weight.name = "w";
  weight.sources = {"a", "b"};
  weight.combine = Combine::Interleave;
  weight.packing = Packing::PanelsF32;
  weight.rows = 64;
  weight.cols = 32;
  plan.weights = {weight};
  ThreadPool pool(1);
  Result<LoadedWeights> loaded = loadWeights(plan, tensors.source(), pool);
  ASSERT_FALSE(bool(loaded));
  EXPECT_EQ(loaded.error(),
            "weight w: tensor 'a' has 16 rows, expected 32 to interleave");
}

TEST_F(UnsafePlans, BuffersLargerThanAnyMemory) {
  Plan plan = machinePlan();
  plan.buffers.push_back({"huge", {1 << 24, 1 << 24, 1 << 24}});
  EXPECT_EQ(errorOfSequence(plan), "buffer huge: its size overflows");
}

TEST_F(UnsafePlans, CachesLargerThanAnyMemory) {
  Plan plan = machinePlan();
  plan.context = 1 << 30;
  plan.caches = {{"huge", 1 << 16, 1 << 16, 0}};
  EXPECT_EQ(errorOfSequence(plan), "cache huge: its size overflows");
}

TEST_F(UnsafePlans, SchedulesOfAnotherNumberOfRows) {
  Plan plan = machinePlan();
  plan.schedules[0].rows = 1;
  plan.schedules[1].rows = 0;
  std::unique_ptr<Model> model = create(plan, {});
  std::unique_ptr<Sequence> sequence = sequenceOf(*model);
  Status prefill = sequence->prefill({1, 2}), decode = sequence->decode(1);
  ASSERT_FALSE(bool(prefill));
  EXPECT_EQ(prefill.error(), "the plan has no schedule for prefill");
  ASSERT_FALSE(bool(decode));
  EXPECT_EQ(decode.error(), "the plan has no schedule for decode");
  EXPECT_TRUE(calls.empty());
}

TEST_F(LogitsBlocks, AreWholeTiles) {
  for (int64_t tile : {1, 5, 12, 32, 48, 64}) {
    SCOPED_TRACE(tile);
    Plan plan = machinePlan(/*logitsAll=*/true);
    plan.rowTile = tile;
    std::unique_ptr<Model> model = create(plan, {});
    std::unique_ptr<Sequence> sequence = sequenceOf(*model);
    calls.clear();
    std::vector<int32_t> tokens = someTokens(130);
    size_t next = 0;
    Status status = sequence->prefill(
        tokens, [&](const float *logits, int64_t rows) -> Status {
          for (int64_t row = 0; row != rows; ++row, ++next)
            EXPECT_EQ(logits[row * kVocab], 100 * tokens[next]) << next;
          return {};
        });
    ASSERT_TRUE(bool(status));
    EXPECT_EQ(next, tokens.size());
    for (const Call &call : callsOf("head"))
      EXPECT_EQ(call.rows % tile, 0);
  }
}

TEST_F(LogitsBlocks, AreNotComputedForNobody) {
  std::unique_ptr<Model> model = create(machinePlan(/*logitsAll=*/true), {});
  std::unique_ptr<Sequence> sequence = sequenceOf(*model);
  for (int64_t count : {1, 47, 48, 49, 50}) {
    std::vector<int32_t> tokens = someTokens(count);
    calls.clear();
    if (sequence->position() + count > model->context())
      sequence = sequenceOf(*model);
    ASSERT_TRUE(bool(sequence->prefill(tokens)));
    EXPECT_EQ(callsOf("head").size(), 1u);
    EXPECT_EQ(sequence->logits()[0], 100 * tokens.back());
  }
}
