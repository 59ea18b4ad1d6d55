// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The choice of the next token from the logits of a model.

#ifndef FLOW_TEXT_SAMPLER_H
#define FLOW_TEXT_SAMPLER_H

#include "flow/Support/Result.h"
#include "flow/Text/Vocabulary.h"

#include <cstddef>
#include <cstdint>
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
