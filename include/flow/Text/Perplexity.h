// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How well a model foretells a text: windows of tokens, and perplexity.

#ifndef FLOW_TEXT_PERPLEXITY_H
#define FLOW_TEXT_PERPLEXITY_H

#include "flow/Support/Result.h"
#include "flow/Text/Vocabulary.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace flow::text {

/// The windows of a text that are scored, as llama.cpp's llama-perplexity cuts
/// them: `length` tokens each, side by side from the first token on; what is
/// left behind the last whole window is not scored. In each window the first
/// token is replaced by `bos`, if there is one, and the tokens behind
/// `context() + 1` are scored, each by the logits of the token before it: it is
/// foretold from half a window at least.
class PerplexityWindows {
public:
  /// The least tokens of a window: one before, one that foretells, one that is
  /// scored.
  static constexpr int64_t kLeastLength = 3;

  /// `bos` is `kNoToken` where windows begin with the text itself. Fails if
  /// `length` is below `kLeastLength` or the text has fewer tokens than a
  /// window.
  static Result<PerplexityWindows> create(std::vector<TokenId> text,
                                          int64_t length, TokenId bos);

  /// Number of windows, at least 1.
  int64_t count() const {
    return static_cast<int64_t>(text.size()) / windowLength;
  }
  int64_t length() const { return windowLength; }
  /// Tokens at the front of a window whose logits nobody needs: half of it.
  int64_t context() const { return windowLength / 2; }
  /// Tokens that a window scores.
  int64_t scored() const { return windowLength - context() - 1; }
  /// The tokens of window `index`, which must be there.
  std::vector<TokenId> window(int64_t index) const;

private:
  PerplexityWindows(std::vector<TokenId> text, int64_t length, TokenId bos)
      : text(std::move(text)), windowLength(length), bos(bos) {}

  std::vector<TokenId> text;
  int64_t windowLength;
  TokenId bos;
};

/// `-log p` of `token`, in nats, where `p` is the softmax of `count` logits:
/// `log(sum over i of exp(logits[i] - m)) - (logits[token] - m)` with `m` the
/// largest logit, so that nothing overflows; in f64, summed in ascending order.
/// Fails if `token` is none of them, a logit is NaN or infinity, none is above
/// minus infinity, or `token`'s own is not: its surprise would be infinite.
Result<double> surprise(const float *logits, size_t count, TokenId token);

/// The perplexity of tokens from their surprises, `exp(mean surprise)`. Means
/// and deviations are updated with each (Welford's recurrences), so that no
/// small difference of large sums is taken.
class Perplexity {
public:
  /// Takes one more token, of surprise `nats`, which must be finite.
  void add(double nats);

  int64_t tokens() const { return count; }
  /// At least one token must have been taken.
  double value() const;
  /// The standard error of `value` to first order: `value` times that of the
  /// mean surprise, tokens taken as independent. Infinite of a single token.
  double standardError() const;

private:
  int64_t count = 0;
  double mean = 0, squares = 0;
};

} // namespace flow::text

#endif // FLOW_TEXT_PERPLEXITY_H
