// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The choice of a token: which can be chosen, how often, and the same again.

#include "flow/Text/Sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

using namespace flow;
using namespace flow::text;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Sampler make(const SamplerOptions &options) {
  Result<Sampler> sampler = Sampler::create(options);
  if (!sampler)
    ADD_FAILURE() << sampler.error();
  return *std::move(sampler);
}

TokenId choose(Sampler &sampler, const std::vector<float> &logits) {
  Result<TokenId> token = sampler.sample(logits.data(), logits.size());
  if (!token)
    ADD_FAILURE() << token.error();
  return token ? *token : kNoToken;
}

TokenId greedy(const std::vector<float> &logits) {
  Sampler sampler = make({});
  return choose(sampler, logits);
}

std::string refusal(const SamplerOptions &options) {
  Result<Sampler> sampler = Sampler::create(options);
  return sampler ? "" : sampler.error();
}

/// The tokens that 2,000 draws give.
std::set<TokenId> support(SamplerOptions options,
                          const std::vector<float> &logits) {
  Sampler sampler = make(options);
  std::set<TokenId> tokens;
  for (int i = 0; i < 2000; ++i)
    tokens.insert(choose(sampler, logits));
  return tokens;
}

/// Logits whose softmax is 0.4, 0.3, 0.2, 0.1 in a mixed order.
const std::vector<float> kTenths = {std::log(2.0f), std::log(4.0f),
                                    std::log(1.0f), std::log(3.0f)};

TEST(SamplerTest, GreedyTakesTheFirstMaximum) {
  EXPECT_EQ(greedy({1, 3, 2, 3}), 1);
  EXPECT_EQ(greedy({-5}), 0);
  EXPECT_EQ(greedy({-kInfinity, -2, kInfinity, kInfinity}), 2);
}

TEST(SamplerTest, GreedyPassesOverNan) {
  EXPECT_EQ(greedy({kNan, 1, kNan, 2, kNan}), 3);
  EXPECT_EQ(greedy({kNan, -kInfinity, -1e30f}), 2);
}

TEST(SamplerTest, RefusesLogitsWithoutAChoice) {
  for (double temperature : {0.0, 1.0}) {
    Sampler sampler = make({temperature});
    std::vector<float> logits = {kNan, -kInfinity, kNan};
    Result<TokenId> token = sampler.sample(logits.data(), logits.size());
    ASSERT_FALSE(token);
    EXPECT_EQ(token.error(), "sampler: expected a logit above minus infinity, "
                             "found none among 3");
    EXPECT_FALSE(sampler.sample(nullptr, 0));
  }
}

TEST(SamplerTest, RefusesOptionsOutOfRange) {
  EXPECT_EQ(refusal({-1.0}), "sampler: expected a temperature that is finite "
                             "and not negative, found -1.000000");
  EXPECT_NE(refusal({double(kNan)}), "");
  EXPECT_NE(refusal({double(kInfinity)}), "");
  EXPECT_EQ(refusal({1.0, -1}),
            "sampler: expected top-k to be 0 (all) or more, found -1");
  EXPECT_EQ(refusal({1.0, 0, 0.0}),
            "sampler: expected top-p in (0, 1], found 0.000000");
  EXPECT_NE(refusal({1.0, 0, 1.5}), "");
  EXPECT_NE(refusal({1.0, 0, double(kNan)}), "");
}

TEST(SamplerTest, RepeatsWithTheSameSeed) {
  std::vector<float> logits(50, 0.0f);
  Sampler first = make({1.0, 0, 1.0, 7}), second = make({1.0, 0, 1.0, 7}),
          other = make({1.0, 0, 1.0, 8});
  int different = 0;
  for (int i = 0; i < 100; ++i) {
    TokenId token = choose(first, logits);
    EXPECT_EQ(choose(second, logits), token);
    different += choose(other, logits) != token;
  }
  // Independent draws agree with probability 1/50; 50 of 100 or more agree
  // with probability below 1e-50.
  EXPECT_GT(different, 50);
}

TEST(SamplerTest, DrawsByTheDocumentedGenerator) {
  // Equal weights: the token is floor(16 u), the four highest bits of x.
  std::vector<float> logits(16, 2.5f);
  for (SamplerOptions options :
       {SamplerOptions{0.7, 0, 1.0, 42}, SamplerOptions{1.3, 16, 1.0, 42}}) {
    Sampler sampler = make(options);
    std::mt19937_64 engine(42);
    for (int i = 0; i < 100; ++i)
      EXPECT_EQ(choose(sampler, logits), TokenId(engine() >> 60));
  }
}

TEST(SamplerTest, StartsWithTheStandardsSequence) {
  // The C++ standard ([rand.predef]) fixes the 10,000th output of the default
  // engine as 9981545732273789042, whose top four bits are 8.
  std::vector<float> logits(16, 0.0f);
  Sampler sampler = make({1.0, 0, 1.0, 5489});
  for (int i = 1; i < 10000; ++i)
    choose(sampler, logits);
  EXPECT_EQ(choose(sampler, logits), 8);
}

TEST(SamplerTest, DrawsInProportion) {
  const double expected[] = {0.2, 0.4, 0.1, 0.3};
  const int kDraws = 40000;
  Sampler sampler = make({1.0, 0, 1.0, 3});
  int counts[4] = {};
  for (int i = 0; i < kDraws; ++i)
    ++counts[choose(sampler, kTenths)];
  // A count has the standard deviation sqrt(n p (1 - p)); six of them are
  // exceeded with probability 2e-9. The smallest bug, two tokens exchanged,
  // is off by 0.1 n, forty deviations.
  for (int id = 0; id < 4; ++id)
    EXPECT_NEAR(counts[id], kDraws * expected[id],
                6 * std::sqrt(kDraws * expected[id] * (1 - expected[id])));
}

TEST(SamplerTest, TemperatureDividesLogits) {
  // At 1/2 the weights are squared: 4, 16, 1, 9 of 30.
  const double expected[] = {4 / 30.0, 16 / 30.0, 1 / 30.0, 9 / 30.0};
  const int kDraws = 40000;
  Sampler sampler = make({0.5, 0, 1.0, 3});
  int counts[4] = {};
  for (int i = 0; i < kDraws; ++i)
    ++counts[choose(sampler, kTenths)];
  for (int id = 0; id < 4; ++id) // the bound of DrawsInProportion
    EXPECT_NEAR(counts[id], kDraws * expected[id],
                6 * std::sqrt(kDraws * expected[id] * (1 - expected[id])));
}

TEST(SamplerTest, TinyTemperatureIsGreedy) {
  EXPECT_EQ(support({1e-300}, kTenths), (std::set<TokenId>{1}));
}

TEST(SamplerTest, TopKKeepsTheMostProbable) {
  EXPECT_EQ(support({1.0, 1}, kTenths), (std::set<TokenId>{1}));
  EXPECT_EQ(support({1.0, 2}, kTenths), (std::set<TokenId>{1, 3}));
  EXPECT_EQ(support({1.0, 4}, kTenths), (std::set<TokenId>{0, 1, 2, 3}));
  EXPECT_EQ(support({1.0, 1000}, kTenths), (std::set<TokenId>{0, 1, 2, 3}));
}

TEST(SamplerTest, TopKBreaksTiesByTheLowerId) {
  EXPECT_EQ(support({1.0, 2}, {0, 5, 5, 5}), (std::set<TokenId>{1, 2}));
}

TEST(SamplerTest, TopPKeepsTheShortestListThatReachesIt) {
  EXPECT_EQ(support({1.0, 0, 0.01}, kTenths), (std::set<TokenId>{1}));
  EXPECT_EQ(support({1.0, 0, 0.39}, kTenths), (std::set<TokenId>{1}));
  EXPECT_EQ(support({1.0, 0, 0.41}, kTenths), (std::set<TokenId>{1, 3}));
  EXPECT_EQ(support({1.0, 0, 0.69}, kTenths), (std::set<TokenId>{1, 3}));
  EXPECT_EQ(support({1.0, 0, 0.71}, kTenths), (std::set<TokenId>{0, 1, 3}));
  EXPECT_EQ(support({1.0, 0, 0.95}, kTenths), (std::set<TokenId>{0, 1, 2, 3}));
}

TEST(SamplerTest, TopPIsReachedExactly) {
  // Two equal tokens: the first has exactly half, which is enough.
  EXPECT_EQ(support({1.0, 0, 0.5}, {1, 1}), (std::set<TokenId>{0}));
}

TEST(SamplerTest, TopPCountsAmongWhatTopKKept) {
  // Among the first two, 4/7 = 0.571 and 3/7: 0.5 is reached by one, where
  // among all four it takes two.
  EXPECT_EQ(support({1.0, 2, 0.5}, kTenths), (std::set<TokenId>{1}));
  EXPECT_EQ(support({1.0, 0, 0.5}, kTenths), (std::set<TokenId>{1, 3}));
}

TEST(SamplerTest, TemperatureComesBeforeTopP) {
  // At 1/2 the most probable token has 16/30 instead of 0.4.
  EXPECT_EQ(support({0.5, 0, 0.5}, kTenths), (std::set<TokenId>{1}));
}

TEST(SamplerTest, NeverDrawsNanOrMinusInfinity) {
  for (SamplerOptions options : {SamplerOptions{1.0}, SamplerOptions{1.0, 3},
                                 SamplerOptions{1.0, 0, 0.9}})
    EXPECT_EQ(support(options, {kNan, 0, -kInfinity, 0, kNan}),
              (std::set<TokenId>{1, 3}));
}

TEST(SamplerTest, NeverChoosesTheSuppressed) {
  for (SamplerOptions options :
       {SamplerOptions{0.0}, SamplerOptions{1.0}, SamplerOptions{1.0, 3},
        SamplerOptions{1.0, 0, 0.9}}) {
    // Ids beyond the logits do no harm.
    options.suppressed = {4, 1, 1000};
    std::set<TokenId> found = support(options, {0, 9, -kInfinity, 0, 3});
    EXPECT_EQ(found, options.temperature == 0 ? (std::set<TokenId>{0})
                                              : (std::set<TokenId>{0, 3}));
  }
}

TEST(SamplerTest, RefusesWhereAllIsSuppressed) {
  SamplerOptions options;
  options.suppressed = {0, 1};
  Sampler sampler = make(options);
  float logits[] = {1, 2, 3};
  EXPECT_EQ(sampler.sample(logits, 2).error(),
            "sampler: expected a logit above minus infinity, found none among "
            "2");
  EXPECT_EQ(*sampler.sample(logits, 3), 2);
  options.suppressed = {3, -1};
  EXPECT_EQ(refusal(options),
            "sampler: expected suppressed tokens from 0 on, found -1");
}

TEST(SamplerTest, DrawsAmongInfinities) {
  EXPECT_EQ(support({1.0}, {0, kInfinity, 3e38f, kInfinity}),
            (std::set<TokenId>{1, 3}));
}

TEST(SamplerTest, SurvivesTheExtremesOfF32) {
  EXPECT_EQ(support({1.0}, {3.4e38f, -3.4e38f}), (std::set<TokenId>{0}));
  EXPECT_EQ(support({1e300}, {3.4e38f, -3.4e38f}), (std::set<TokenId>{0, 1}));
}

/// The best `count` of the logits, with id -1 where there are no more.
struct Best {
  Best(const std::vector<float> &all, size_t count) {
    std::vector<TokenId> order;
    for (size_t id = 0; id < all.size(); ++id)
      if (all[id] > -kInfinity)
        order.push_back(TokenId(id));
    std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
      return all[size_t(a)] > all[size_t(b)];
    });
    for (size_t i = 0; i < count; ++i) {
      ids.push_back(i < order.size() ? order[i] : kNoToken);
      logits.push_back(i < order.size() ? all[size_t(order[i])] : -kInfinity);
    }
  }

  BestLogits of(size_t choices) const {
    return {logits.data(), ids.data(), ids.size(), choices};
  }

  std::vector<float> logits;
  std::vector<TokenId> ids;
};

/// Random logits, some of them equal, some none, some too small to be drawn.
std::vector<float> mixedLogits(std::mt19937 &random, size_t count) {
  std::vector<float> logits;
  unsigned kind = random() % 4;
  for (size_t id = 0; id < count; ++id) {
    unsigned draw = random() % 16;
    float value = std::ldexp(float(random()), -29) - 4;
    if (kind == 1) // many equal
      value = std::floor(value);
    else if (kind == 2 && draw > 1) // a few stand out
      value -= 5000;
    else if (kind == 3 && draw < 12) // mostly nothing
      value = draw % 2 ? kNan : -kInfinity;
    logits.push_back(value);
  }
  return logits;
}

TEST(SamplerTest, ChoosesFromTheBestWhatItWouldFromAll) {
  std::mt19937 random(17);
  int truncated = 0, refused = 0;
  for (int round = 0; round < 4000; ++round) {
    size_t rows = 1 + random() % 60;
    size_t choices = rows - std::min<size_t>(rows - 1, random() % 3);
    SamplerOptions options;
    options.temperature = std::vector<double>{0, 0.02, 0.7, 1, 3}[random() % 5];
    options.topK = 1 + random() % 12;
    options.topP = std::vector<double>{1, 0.95, 0.5}[random() % 3];
    options.seed = random();
    for (unsigned i = random() % 4; i != 0; --i)
      options.suppressed.push_back(TokenId(random() % rows));
    size_t needed = *Sampler::bestNeeded(options) + options.suppressed.size() +
                    (rows - choices);
    SCOPED_TRACE(testing::Message() << "round " << round);
    Sampler all = make(options), some = make(options);
    // The draws of both stay in step.
    for (int i = 0; i < 4; ++i) {
      std::vector<float> logits = mixedLogits(random, rows);
      Best best(logits, std::min(rows, needed));
      // A list of all logits ends with nothing, so that it is known to be
      // whole.
      if (needed >= rows)
        best = Best(logits, rows + 1);
      Result<TokenId> expected = all.sample(logits.data(), choices);
      Result<TokenId> found = some.sample(best.of(choices));
      ASSERT_EQ(bool(found), bool(expected));
      if (!expected) {
        ASSERT_EQ(found.error(), expected.error());
        ++refused;
        continue;
      }
      ASSERT_EQ(*found, *expected);
      truncated += needed < rows;
    }
  }
  EXPECT_GT(truncated, 4000);
  EXPECT_GT(refused, 10);
}

TEST(SamplerTest, SaysHowManyOfTheBestItNeeds) {
  EXPECT_EQ(Sampler::bestNeeded({0.0, 40}), 1u);
  EXPECT_EQ(Sampler::bestNeeded({1.0, 40}), 41u);
  EXPECT_EQ(Sampler::bestNeeded({1.0, 0}), std::nullopt);
}

TEST(SamplerTest, RefusesListsThatEndTooEarly) {
  std::vector<float> logits(10, 1.0f);
  auto refusal = [&](const SamplerOptions &options, size_t count) {
    Sampler sampler = make(options);
    Result<TokenId> token = sampler.sample(Best(logits, count).of(10));
    return token ? "" : token.error();
  };
  EXPECT_EQ(refusal({1.0, 4}, 5), "");
  EXPECT_EQ(refusal({1.0, 4}, 4), "sampler: expected the best 5 logits that "
                                  "count, found 4 among the best 4");
  SamplerOptions options{1.0, 4};
  options.suppressed = {2};
  EXPECT_EQ(refusal(options, 5), "sampler: expected the best 5 logits that "
                                 "count, found 4 among the best 5");
  EXPECT_EQ(refusal({1.0}, 9), "sampler: expected all logits that count, found "
                               "9 among the best 9");
  EXPECT_EQ(refusal({1.0}, 11), "");
  options = {0.0};
  options.suppressed = {0, 1};
  EXPECT_EQ(refusal(options, 2), "sampler: expected the best 1 logits that "
                                 "count, found 0 among the best 2");
}

} // namespace
