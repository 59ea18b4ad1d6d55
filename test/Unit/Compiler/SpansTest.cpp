// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model whose masks have spans is given those of its prompt, in steps that
// hold whole ones.

#include "TestWeights.h"

#include "flow/Compiler/EmulatedDevice.h"
#include "flow/Compiler/GpuCompiler.h"
#include "flow/Compiler/LoadedCode.h"
#include "flow/Runtime/DeviceModel.h"
#include "flow/Runtime/Engine.h"

#include <cmath>

using namespace flow;
using runtime::TokenSpan;

namespace {

constexpr int64_t kVocab = 512, kTokens = 40;

std::vector<int32_t> promptTokens() {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i != kTokens; ++i)
    tokens.push_back((7 * i + 3) % kVocab);
  return tokens;
}

/// A model with layers of all rules for spans.
std::string recipeText() { return recipeOf("test/Transforms/spans-of-layers"); }

/// One of heads of 64, whose single rows see what a causal mask shows.
std::string recipeTextOfGpu() {
  std::string text = recipeText();
  auto replace = [&](llvm::StringRef what, llvm::StringRef with) {
    size_t at = text.find(what.str());
    EXPECT_NE(at, std::string::npos) << what.str();
    for (; at != std::string::npos; at = text.find(what.str(), at))
      text.replace(at, what.size(), with.str());
  };
  replace("head_dim = 32", "head_dim = 64");
  replace("head_dim 32", "head_dim 64");
  replace("@q : tensor<64x64xf32>", "@q : tensor<128x64xf32>");
  replace("@k : tensor<32x64xf32>", "@k : tensor<64x64xf32>");
  replace("@v : tensor<32x64xf32>", "@v : tensor<64x64xf32>");
  replace("@o : tensor<64x64xf32>", "@o : tensor<64x128xf32>");
  replace("window = 16, spans = free", "spans = free");
  return text;
}

runtime::EngineOptions stepsOf(int64_t chunk) {
  runtime::EngineOptions options;
  options.context = 128;
  options.prefillChunk = chunk;
  return options;
}

/// Such a model, compiled for the CPU.
class CompiledModel {
public:
  CompiledModel(const std::string &text, const std::string &numerics,
                const std::string &cacheType)
      : recipe(text), tensors(randomWeights(*recipe)) {
    CompileOptions compile;
    compile.numerics = numerics;
    compile.cacheType = cacheType;
    compile.context = 128;
    Artifact artifact = llvm::cantFail(compileModel(
        *recipe, llvm::cantFail(resolveCpuTarget("native")), compile));
    flow::Result<runtime::Plan> read =
        runtime::planFromJson(runtime::toJson(artifact.plan));
    EXPECT_TRUE(read) << read.error();
    plan = std::move(*read);
    code = llvm::cantFail(LoadedCode::load(artifact.objects));
  }

  /// The logits of the last token of a prompt in steps of so many tokens, or
  /// nothing and `error`.
  std::vector<float> logitsOf(const std::vector<TokenSpan> &spans,
                              int64_t chunk = kTokens) {
    auto model = runtime::Model::create(
        plan,
        [this](const std::string &name) { return code->lookupEntry(name); },
        tensors.source(), stepsOf(chunk));
    EXPECT_TRUE(model) << model.error();
    auto created = runtime::Sequence::create(**model);
    runtime::Sequence *sequence = created->get();
    Status status = sequence->prefill(promptTokens(), {}, spans);
    error = status ? "" : status.error();
    EXPECT_EQ(sequence->position(), status ? kTokens : 0);
    if (!status)
      return {};
    return {sequence->logits(), sequence->logits() + kVocab};
  }

  std::string error;

private:
  TestRecipe recipe;
  runtime::TestTensors tensors;
  runtime::Plan plan;
  std::unique_ptr<LoadedCode> code;
};

class SpannedModel : public testing::Test, public CompiledModel {
protected:
  SpannedModel() : CompiledModel(recipeText(), "f32", "f32") {}
};

/// The same on an emulated GPU, which takes a token after the prompt, too.
std::vector<float> logitsOnGpu(const std::vector<TokenSpan> &spans,
                               int64_t chunk) {
  TestRecipe recipe(recipeTextOfGpu());
  runtime::TestTensors tensors = randomWeights(*recipe);
  CompileOptions compile;
  compile.numerics = "bf16";
  compile.context = 128;
  auto code = compileForGpu(*recipe, llvm::cantFail(resolveNvvmTarget("sm_80")),
                            compile);
  if (!code) {
    ADD_FAILURE() << llvm::toString(code.takeError());
    return {};
  }
  auto device = llvm::cantFail(EmulatedDevice::create(code->ptx, {}, 2));
  auto model = runtime::DeviceModel::create(
      *runtime::planFromJson(runtime::toJson(code->plan)), *device,
      tensors.source(), stepsOf(chunk));
  if (!model) {
    ADD_FAILURE() << model.error();
    return {};
  }
  auto created = runtime::DeviceSequence::create(**model);
  runtime::DeviceSequence *sequence = created->get();
  Status status = sequence->prefill(promptTokens(), {}, spans);
  EXPECT_TRUE(status) << status.error();
  std::vector<float> logits(sequence->logits(), sequence->logits() + kVocab);
  EXPECT_TRUE(sequence->decode(5));
  return logits;
}

double distance(const std::vector<float> &a, const std::vector<float> &b) {
  double sum = 0;
  for (size_t i = 0; i != a.size(); ++i)
    sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

} // namespace

TEST_F(SpannedModel, SeesItsSpans) {
  std::vector<float> without = logitsOf({});
  EXPECT_EQ(logitsOf({{8, 9}, {30, 31}}), without);
  std::vector<float> spanned = logitsOf({{8, 20}, {20, 26}});
  EXPECT_NE(spanned, without);
  EXPECT_NE(logitsOf({{8, 26}}), spanned);
}

TEST_F(SpannedModel, HoldsWholeSpansInAStep) {
  const std::vector<TokenSpan> spans = {{8, 20}, {20, 26}, {36, 40}};
  std::vector<float> whole = logitsOf(spans);
  for (int64_t chunk : {12, 13, 21})
    EXPECT_EQ(logitsOf(spans, chunk), whole) << chunk;
}

TEST_F(SpannedModel, RefusesSpansThatNoStepHolds) {
  auto expectError = [&](const std::vector<TokenSpan> &spans,
                         const std::string &expected) {
    logitsOf(spans, 12);
    EXPECT_EQ(error, expected);
  };
  const std::string place =
      " must lie behind the one before and in the tokens from 0 to 40";
  expectError({{8, 21}}, "span 8:21 is longer than a step of 12 tokens");
  expectError({{8, 8}}, "span 8:8 is empty");
  expectError({{35, 41}}, "span 35:41" + place);
  expectError({{-1, 4}}, "span -1:4" + place);
  expectError({{8, 12}, {11, 14}}, "span 11:14" + place);
}

// A GPU rounds a little more than a CPU's bf16 does; spans that it did not see
// would be several times as much.
TEST(SpansOnAGpu, AreThoseOfACpu) {
  CompiledModel cpu(recipeTextOfGpu(), "bf16", "bf16");
  const std::vector<TokenSpan> spans = {{8, 20}, {20, 26}, {30, 40}};
  std::vector<float> expected = cpu.logitsOf(spans);
  double unseen = distance(expected, cpu.logitsOf({}));
  for (int64_t chunk : {12, 40})
    EXPECT_LT(4 * distance(logitsOnGpu(spans, chunk), expected), unseen);
}
