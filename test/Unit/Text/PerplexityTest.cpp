// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Windows of a text, the surprise of a token, and what they sum up to.

#include "flow/Text/Perplexity.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

using namespace flow;
using namespace flow::text;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<TokenId> ascending(TokenId count) {
  std::vector<TokenId> text;
  for (TokenId i = 0; i != count; ++i)
    text.push_back(100 + i);
  return text;
}

PerplexityWindows windowsOf(TokenId tokens, int64_t length, TokenId bos) {
  Result<PerplexityWindows> windows =
      PerplexityWindows::create(ascending(tokens), length, bos);
  if (!windows)
    ADD_FAILURE() << windows.error();
  return *std::move(windows);
}

std::string refusal(TokenId tokens, int64_t length) {
  Result<PerplexityWindows> windows =
      PerplexityWindows::create(ascending(tokens), length, kNoToken);
  return windows ? "(accepted)" : windows.error();
}

double nats(const std::vector<float> &logits, TokenId token) {
  Result<double> result = surprise(logits.data(), logits.size(), token);
  if (!result)
    ADD_FAILURE() << result.error();
  return result ? *result : NAN;
}

std::string refusal(const std::vector<float> &logits, TokenId token) {
  Result<double> result = surprise(logits.data(), logits.size(), token);
  return result ? "(accepted)" : result.error();
}

TEST(PerplexityWindowsTest, StandSideBySideAndLeaveTheRest) {
  PerplexityWindows windows = windowsOf(11, 4, kNoToken);
  EXPECT_EQ(windows.count(), 2);
  EXPECT_EQ(windows.window(0), (std::vector<TokenId>{100, 101, 102, 103}));
  EXPECT_EQ(windows.window(1), (std::vector<TokenId>{104, 105, 106, 107}));
}

TEST(PerplexityWindowsTest, BeginWithTheMark) {
  PerplexityWindows windows = windowsOf(8, 4, 2);
  EXPECT_EQ(windows.window(0), (std::vector<TokenId>{2, 101, 102, 103}));
  EXPECT_EQ(windows.window(1), (std::vector<TokenId>{2, 105, 106, 107}));
}

// llama-perplexity computes logits from row n / 2 on and scores what follows
// each but the last: 255 of 512, 1 of 3 and of 4, 2 of 5.
TEST(PerplexityWindowsTest, ScoreTheSecondHalf) {
  for (auto [length, context, scored] : {std::array<int64_t, 3>{512, 256, 255},
                                         {3, 1, 1},
                                         {4, 2, 1},
                                         {5, 2, 2}}) {
    SCOPED_TRACE(length);
    PerplexityWindows windows = windowsOf(512, length, kNoToken);
    EXPECT_EQ(windows.length(), length);
    EXPECT_EQ(windows.context(), context);
    EXPECT_EQ(windows.scored(), scored);
  }
}

TEST(PerplexityWindowsTest, NeedOneWindow) {
  EXPECT_EQ(windowsOf(5, 5, kNoToken).count(), 1);
  EXPECT_EQ(refusal(4, 5),
            "expected a text of at least one window, 5 tokens, found 4");
  EXPECT_EQ(refusal(0, 512),
            "expected a text of at least one window, 512 tokens, found 0");
  EXPECT_EQ(refusal(9, 2),
            "a window of perplexity has at least 3 tokens, got 2");
}

// Probabilities 1/2, 1/4, 1/8, 1/8, by logits of powers of two.
TEST(SurpriseTest, IsMinusTheLogOfTheProbability) {
  const float log2 = std::log(2.0f);
  std::vector<float> logits = {5 - log2, 5 - 2 * log2, 5 - 3 * log2,
                               5 - 3 * log2};
  // Logits are f32 numbers near 5: each is off by 2^-22 at most.
  constexpr double bound = 2 * 0x1p-22;
  EXPECT_NEAR(nats(logits, 0), std::log(2.0), bound);
  EXPECT_NEAR(nats(logits, 1), std::log(4.0), bound);
  EXPECT_NEAR(nats(logits, 3), std::log(8.0), bound);
}

TEST(SurpriseTest, IsExactWhereLogitsAre) {
  // Equal logits: log n, whatever they are, and nothing overflows.
  EXPECT_DOUBLE_EQ(nats(std::vector<float>(1000, 3e38f), 7), std::log(1000.0));
  EXPECT_DOUBLE_EQ(nats(std::vector<float>(1000, -3e38f), 7), std::log(1000.0));
  // log(1 + exp(-60)) = exp(-60), which a sum in f64 rounds away.
  EXPECT_EQ(nats({60, 0}, 0), 0);
  EXPECT_DOUBLE_EQ(nats({60, 0}, 1), 60);
  // What an f32 sum would lose, which stays 1: a million tokens of e^-17 each.
  // In f64 an addition errs by 2^-53 of a sum below 1.05.
  std::vector<float> logits(1000001, -17);
  logits[0] = 0;
  EXPECT_NEAR(nats(logits, 0), std::log1p(1e6 * std::exp(-17.0)),
              1.1e6 * 0x1p-53);
  EXPECT_GT(std::log1p(1e6 * std::exp(-17.0)), 0.04);
}

TEST(SurpriseTest, TakesTokensThatCannotBe) {
  EXPECT_DOUBLE_EQ(nats({1, -kInfinity, 1}, 2), std::log(2.0));
  EXPECT_EQ(refusal({1, -kInfinity, 1}, 1),
            "perplexity: token 1 of the text has probability 0");
  EXPECT_EQ(refusal({-kInfinity, -kInfinity}, 1),
            "perplexity: token 1 of the text has probability 0");
}

TEST(SurpriseTest, RefusesWhatIsNoLogit) {
  EXPECT_EQ(refusal({1, 2}, 2), "perplexity: token 2 has no logit among 2");
  EXPECT_EQ(refusal({1, 2}, -1), "perplexity: token -1 has no logit among 2");
  EXPECT_EQ(refusal({1, kInfinity}, 0),
            "perplexity: expected finite logits, found inf for token 1");
  EXPECT_EQ(refusal({std::nanf(""), 1}, 1),
            "perplexity: expected finite logits, found nan for token 0");
}

// Surprises 1, 2, 4, 5: mean 3, squared deviations 4 + 1 + 1 + 4 = 10, variance
// 10 / 3, standard error of the mean sqrt(10 / 12).
TEST(PerplexityTest, IsTheExponentialOfTheMean) {
  Perplexity perplexity;
  for (double each : {1.0, 2.0, 4.0, 5.0})
    perplexity.add(each);
  EXPECT_EQ(perplexity.tokens(), 4);
  EXPECT_DOUBLE_EQ(perplexity.value(), std::exp(3.0));
  EXPECT_DOUBLE_EQ(perplexity.standardError(),
                   std::exp(3.0) * std::sqrt(10.0 / 12.0));
}

// Of a model that knows nothing: as many as there are tokens, without error.
TEST(PerplexityTest, OfEqualLogitsIsTheirNumber) {
  Perplexity perplexity;
  for (TokenId token = 0; token != 50; ++token)
    perplexity.add(nats(std::vector<float>(50, 1), token));
  EXPECT_NEAR(perplexity.value(), 50, 50 * 1e-14);
  EXPECT_NEAR(perplexity.standardError(), 0, 1e-12);
}

// Sums of squares would leave nothing of a deviation of 1e-6 around 1e3.
TEST(PerplexityTest, IsStable) {
  Perplexity perplexity;
  for (int i = 0; i != 1000000; ++i)
    perplexity.add(10 + (i % 2 == 0 ? 1e-6 : -1e-6));
  EXPECT_NEAR(perplexity.value() / std::exp(10), 1, 1e-12);
  EXPECT_NEAR(perplexity.standardError() / perplexity.value(), 1e-9, 1e-14);
}

TEST(PerplexityTest, OfOneTokenHasNoError) {
  Perplexity perplexity;
  perplexity.add(2);
  EXPECT_DOUBLE_EQ(perplexity.value(), std::exp(2.0));
  EXPECT_EQ(perplexity.standardError(), kInfinity);
}

} // namespace
