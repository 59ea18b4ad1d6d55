// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The choice of the next token from the logits of a model.

#ifndef FLOW_TEXT_SAMPLER_H
#define FLOW_TEXT_SAMPLER_H

#include "flow/Support/Result.h"
#include "flow/Text/Vocabulary.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace flow::text {

struct SamplerOptions {
  /// Logits are divided by it. 0 is greedy: the other options then do nothing.
  double temperature = 0.0;
  /// Keep the `topK` most probable tokens. 0 keeps all.
  int64_t topK = 0;
  /// Of these keep the shortest list, most probable first, whose probabilities
  /// (among what `topK` kept) reach `topP`; in (0, 1], and 1 keeps all.
  double topP = 1.0;
  /// Equal seeds, options and logits give equal tokens.
  uint64_t seed = 0;
  /// Tokens that are never chosen, in any order; none negative.
  std::vector<TokenId> suppressed = {};
};

/// The largest logits and whose they are, the largest first, of equal ones the
/// lower id first: of every id in `[0, n)` for some `n` that is no less than
/// `choices`, as `flow.top_k` gives them. The id -1 in the place of one says
/// that no other logit is above minus infinity.
struct BestLogits {
  const float *logits = nullptr;
  const TokenId *ids = nullptr;
  size_t count = 0;
  /// Ids from here on are no tokens and never chosen.
  size_t choices = 0;
};

/// Chooses one token after another.
///
/// Order: temperature, then top-k, then top-p, then one draw from what is left,
/// in proportion to exp(logit / temperature). Equal logits rank by id, lower
/// first. A NaN, a logit of minus infinity and a suppressed token are never
/// chosen.
///
/// A draw uses one output x of `std::mt19937_64` (whose sequence the C++
/// standard fixes) as u = (x >> 11) * 2^-53 in [0, 1); a greedy choice uses
/// none. Sums are f64 in a fixed order, so that a run repeats on every standard
/// library, up to the last bit of its `exp`.
///
/// Not thread-safe: one sampler for one sequence.
class Sampler {
public:
  /// Fails if `temperature` is not finite or is negative, `topK` is negative,
  /// or `topP` is not in (0, 1], or a suppressed token is negative.
  static Result<Sampler> create(const SamplerOptions &options);

  /// The token chosen from `count` logits, in [0, count). Fails if no logit
  /// that counts is a number above minus infinity, or `count` exceeds the range
  /// of `TokenId`.
  Result<TokenId> sample(const float *logits, size_t count);

  /// The same token as from all `choices` logits, and the same draw. Fails as
  /// above, or if `best` ends too early to tell: without the id -1, at least
  /// `bestNeeded` of it must be neither suppressed nor beyond `choices`.
  Result<TokenId> sample(const BestLogits &best);

  /// How many of the best logits that count a choice needs to know; nothing if
  /// it needs all of them.
  static std::optional<size_t> bestNeeded(const SamplerOptions &options);

private:
  /// A token that may still be chosen, with exp((logit - max) / temperature).
  struct Candidate {
    float logit;
    TokenId id;
    double weight;

    bool ranksBefore(const Candidate &other) const {
      return logit > other.logit || (logit == other.logit && id < other.id);
    }
  };

  explicit Sampler(const SamplerOptions &options);

  bool isSuppressed(size_t id) const {
    return id < suppressed.size() && suppressed[id];
  }

  double weightOf(float logit, float best) const;
  double collect(const float *logits, size_t count, float best);
  double applyTopK(double sum);
  double applyTopP(double sum);
  TokenId draw(double sum);

  SamplerOptions options;
  std::vector<bool> suppressed; ///< by id, up to the last of them
  std::mt19937_64 engine;
  std::vector<Candidate> candidates; ///< kept for its storage
};

} // namespace flow::text

#endif // FLOW_TEXT_SAMPLER_H
