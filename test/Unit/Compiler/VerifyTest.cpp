// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of a draft have the logits that decoding gives one after the other, bit
// for bit in f32, for a model of each generation.

#include "TestModels.h"

#include <set>

using namespace flow;
using runtime::Sequence;

namespace {

constexpr size_t kVocab = 512;

/// A recipe by its path, threads, and tokens of a prefill step.
struct Run {
  const char *name, *recipe;
  int threads;
  int64_t chunk;
};

// Rings of 32 or 64 positions, where windows have 16, come round.
constexpr Run kRuns[] = {
    {"gemma1", "docs/Gallery/gemma1", 1, 512},
    {"gemma2", "docs/Gallery/gemma2", 2, 12},
    {"gemma3", "docs/Gallery/gemma3", 1, 512},
    {"gemma3", "docs/Gallery/gemma3", 2, 12},
    {"gemma4_dense", "docs/Gallery/gemma4-dense", 2, 40},
    {"gemma4_e2b", "docs/Gallery/gemma4-e2b", 1, 24},
    {"experts", "test/Transforms/expand-layers-experts", 2, 12},
};

class DraftOfModel : public testing::TestWithParam<Run> {
protected:
  DraftOfModel() : model(GetParam().recipe, options(), compileOptions()) {}

  static runtime::EngineOptions options() {
    runtime::EngineOptions options;
    options.threads = GetParam().threads;
    options.context = 128;
    options.prefillChunk = GetParam().chunk;
    return options;
  }
  static CompileOptions compileOptions() {
    CompileOptions options;
    options.verify = true;
    return options;
  }

  std::unique_ptr<Sequence> sequence() {
    auto sequence = Sequence::create(model.get());
    if (sequence)
      return std::move(*sequence);
    ADD_FAILURE() << sequence.error();
    return nullptr;
  }

  /// The logits after each token from `first` on, decoded one by one.
  std::vector<std::vector<float>> decoded(const std::vector<int32_t> &tokens,
                                          size_t first) {
    std::vector<std::vector<float>> rows;
    std::unique_ptr<Sequence> plain = sequence();
    EXPECT_TRUE(plain->prefill(slice(tokens, 0, first)));
    for (size_t i = first; i != tokens.size(); ++i) {
      EXPECT_TRUE(plain->decode(tokens[i]));
      rows.emplace_back(plain->logits(), plain->logits() + kVocab);
    }
    return rows;
  }

  TestModel model;
};

INSTANTIATE_TEST_SUITE_P(Recipes, DraftOfModel, testing::ValuesIn(kRuns),
                         [](const testing::TestParamInfo<Run> &info) {
                           return std::string(info.param.name) + "_" +
                                  std::to_string(info.param.chunk);
                         });

} // namespace

TEST_P(DraftOfModel, GivesTheLogitsOfDecoding) {
  constexpr size_t kPrompt = 10;
  std::vector<int32_t> tokens = randomTokens(128, 3);
  std::vector<std::vector<float>> expected = decoded(tokens, kPrompt);
  // What is compared is no constant.
  ASSERT_EQ(
      std::set<std::vector<float>>(expected.begin(), expected.end()).size(),
      tokens.size() - kPrompt);

  std::unique_ptr<Sequence> drafted = sequence();
  ASSERT_TRUE(drafted->prefill(slice(tokens, 0, kPrompt)));
  size_t next = kPrompt;
  // One row, less than a register tile, whole ones, and rows left over, of
  // which the first few come as they were guessed.
  for (size_t step = 0; next != tokens.size(); ++step) {
    size_t rows = std::min(1 + step * 5 % 12, tokens.size() - next);
    size_t right = 1 + step * 3 % rows;
    std::vector<int32_t> draft = slice(tokens, next, next + right);
    std::vector<int32_t> wrong = randomTokens(rows - right, 50 + step);
    draft.insert(draft.end(), wrong.begin(), wrong.end());
    Status status = drafted->verify(draft);
    ASSERT_TRUE(status) << status.error();
    for (size_t row = 0; row != right; ++row) {
      const float *logits = drafted->verified(row);
      ASSERT_EQ(std::vector<float>(logits, logits + kVocab),
                expected[next - kPrompt + row])
          << "row " << row << " of " << rows << " at " << next;
    }
    next += right;
    status = drafted->truncate(static_cast<int64_t>(next));
    ASSERT_TRUE(status) << status.error();
    // Decoding goes on from there too.
    if (step % 3 == 0 && next != tokens.size()) {
      ASSERT_TRUE(drafted->decode(tokens[next]));
      ASSERT_EQ(
          std::vector<float>(drafted->logits(), drafted->logits() + kVocab),
          expected[next - kPrompt]);
      ++next;
    }
  }
}

// As far back as the ring allows: what follows is what it was.
TEST_P(DraftOfModel, FarBackNothingIsMissing) {
  constexpr size_t kPrompt = 10;
  std::vector<int32_t> tokens = randomTokens(100, 4);
  std::vector<std::vector<float>> expected = decoded(tokens, kPrompt);
  std::unique_ptr<Sequence> sequence = this->sequence();
  ASSERT_TRUE(sequence->prefill(tokens));
  int64_t position = 100;
  while (sequence->truncate(position - 1))
    --position;
  // Over the largest step at least.
  ASSERT_LE(position, 100 - sequence->verifiedAtOnce());
  for (auto i = static_cast<size_t>(position); i != tokens.size(); ++i) {
    ASSERT_TRUE(sequence->decode(tokens[i]));
    if (i < kPrompt)
      continue;
    ASSERT_EQ(
        std::vector<float>(sequence->logits(), sequence->logits() + kVocab),
        expected[i - kPrompt]);
  }
}
