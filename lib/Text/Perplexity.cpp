// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Cuts texts into windows and sums up how well their tokens were foretold.

#include "flow/Text/Perplexity.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace flow;
using namespace flow::text;

Result<PerplexityWindows> PerplexityWindows::create(std::vector<TokenId> text,
                                                    int64_t length,
                                                    TokenId bos) {
  if (length < kLeastLength)
    return Error{"a window of perplexity has at least " +
                 std::to_string(kLeastLength) + " tokens, got " +
                 std::to_string(length)};
  if (static_cast<int64_t>(text.size()) < length)
    return Error{"expected a text of at least one window, " +
                 std::to_string(length) + " tokens, found " +
                 std::to_string(text.size())};
  return PerplexityWindows(std::move(text), length, bos);
}

std::vector<TokenId> PerplexityWindows::window(int64_t index) const {
  auto first = text.begin() + static_cast<ptrdiff_t>(index * windowLength);
  std::vector<TokenId> tokens(first,
                              first + static_cast<ptrdiff_t>(windowLength));
  if (bos != kNoToken)
    tokens.front() = bos;
  return tokens;
}

Result<double> flow::text::surprise(const float *logits, size_t count,
                                    TokenId token) {
  if (token < 0 || static_cast<size_t>(token) >= count)
    return Error{"perplexity: token " + std::to_string(token) +
                 " has no logit among " + std::to_string(count)};
  constexpr float infinity = std::numeric_limits<float>::infinity();
  float largest = -infinity;
  for (size_t i = 0; i != count; ++i) {
    // A NaN is no number that this holds of.
    if (!(logits[i] < infinity))
      return Error{"perplexity: expected finite logits, found " +
                   std::to_string(logits[i]) + " for token " +
                   std::to_string(i)};
    largest = std::max(largest, logits[i]);
  }
  if (logits[token] == -infinity)
    return Error{"perplexity: token " + std::to_string(token) +
                 " of the text has probability 0"};
  double sum = 0;
  for (size_t i = 0; i != count; ++i)
    sum += std::exp(static_cast<double>(logits[i]) - largest);
  return std::log(sum) - (static_cast<double>(logits[token]) - largest);
}

void Perplexity::add(double nats) {
  ++count;
  double before = nats - mean;
  mean += before / static_cast<double>(count);
  squares += before * (nats - mean);
}

double Perplexity::value() const { return std::exp(mean); }

double Perplexity::standardError() const {
  if (count < 2)
    return std::numeric_limits<double>::infinity();
  auto n = static_cast<double>(count);
  return value() * std::sqrt(squares / (n - 1) / n);
}
