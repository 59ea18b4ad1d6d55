// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model that gives candidates gives the best of the logits that it would
// otherwise give, bit for bit.

#include "TestWeights.h"

#include "flow/Compiler/LoadedCode.h"
#include "flow/Runtime/Engine.h"

#include <algorithm>
#include <numeric>

using namespace flow;

namespace {

constexpr int64_t kVocab = 512;

/// A sequence of a compiled model, and whatever it needs to live.
class TestSequence {
public:
  TestSequence(llvm::StringRef path, const std::string &numerics, int64_t topK)
      : recipe(recipeOf(path)), tensors(randomWeights(*recipe)) {
    CompileOptions compile;
    compile.numerics = numerics;
    compile.topK = topK;
    compile.context = 128;
    Artifact artifact = llvm::cantFail(compileModel(
        *recipe, llvm::cantFail(resolveCpuTarget("native")), compile));
    // The plan goes the way through its file.
    flow::Result<runtime::Plan> plan =
        runtime::planFromJson(runtime::toJson(artifact.plan));
    EXPECT_TRUE(plan) << plan.error();
    code = llvm::cantFail(LoadedCode::load(artifact.objects));
    runtime::EngineOptions options;
    options.threads = 2;
    options.context = 128;
    flow::Result<std::unique_ptr<runtime::Model>> created =
        runtime::Model::create(
            std::move(*plan),
            [this](const std::string &name) { return code->lookupEntry(name); },
            tensors.source(), options);
    if (!created) {
      ADD_FAILURE() << created.error();
      return;
    }
    model = std::move(*created);
    sequence = std::move(*runtime::Sequence::create(*model));
  }

  runtime::Sequence *operator->() { return sequence.get(); }

private:
  TestRecipe recipe;
  runtime::TestTensors tensors;
  std::unique_ptr<LoadedCode> code;
  std::unique_ptr<runtime::Model> model;
  std::unique_ptr<runtime::Sequence> sequence;
};

struct Run {
  const char *name, *recipe, *numerics;
};

constexpr Run kRuns[] = {{"plain", "docs/Gallery/gemma3", "f32"},
                         {"capped", "docs/Gallery/gemma2", "f32"},
                         {"bf16", "docs/Gallery/gemma3", "bf16"},
                         {"capped_bf16", "docs/Gallery/gemma2", "bf16"}};

class CandidatesOfModel : public testing::TestWithParam<Run> {};

INSTANTIATE_TEST_SUITE_P(Recipes, CandidatesOfModel, testing::ValuesIn(kRuns),
                         [](const testing::TestParamInfo<Run> &info) {
                           return std::string(info.param.name);
                         });

/// That the candidates are the best of the logits.
void expectBest(runtime::Candidates candidates, const float *logits,
                int64_t count) {
  ASSERT_TRUE(logits);
  ASSERT_EQ(candidates.count, count);
  std::vector<int32_t> order(kVocab);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  for (int64_t i = 0; i != count; ++i) {
    EXPECT_EQ(candidates.tokens[i], order[i]);
    EXPECT_EQ(candidates.logits[i], logits[order[i]]);
  }
}

} // namespace

TEST_P(CandidatesOfModel, AreTheBestOfItsLogits) {
  auto [name, recipe, numerics] = GetParam();
  TestSequence whole(recipe, numerics, 0), best(recipe, numerics, 24);
  for (TestSequence *sequence : {&whole, &best})
    ASSERT_TRUE((*sequence)->prefill({3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9}));
  expectBest(best->candidates(), whole->logits(), 24);
  for (int32_t token : {7, 70, 400}) {
    for (TestSequence *sequence : {&whole, &best})
      ASSERT_TRUE((*sequence)->decode(token));
    expectBest(best->candidates(), whole->logits(), 24);
  }
  EXPECT_EQ(best->logits(), nullptr);
}

TEST(Candidates, AreOfTheLastRowOfOneSequence) {
  TestRecipe recipe;
  CompileOptions options;
  options.topK = 8;
  auto refusal = [&](const CompileOptions &options) {
    llvm::Expected<Artifact> artifact =
        compileModel(*recipe, testTarget(), options);
    return artifact ? "(compiled)" : llvm::toString(artifact.takeError());
  };
  CompileOptions all = options, batch = options, many = options;
  all.logitsAll = true;
  batch.batch = true;
  many.topK = 65;
  const std::string expected = "candidates are those of the last row";
  EXPECT_NE(refusal(all).find(expected), std::string::npos) << refusal(all);
  EXPECT_NE(refusal(batch).find(expected), std::string::npos);
  EXPECT_NE(refusal(many).find("has 64 tokens, of which top-k chooses"),
            std::string::npos);
  EXPECT_EQ(refusal(options), "(compiled)");
}
