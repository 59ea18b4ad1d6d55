// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The choice of the next token from the logits of a model.

#include "flow/Text/Sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

using namespace flow;
using namespace flow::text;

Result<Sampler> Sampler::create(const SamplerOptions &options) {
  if (!std::isfinite(options.temperature) || options.temperature < 0)
    return Error{"sampler: expected a temperature that is finite and not "
                 "negative, found " +
                 std::to_string(options.temperature)};
  if (options.topK < 0)
    return Error{"sampler: expected top-k to be 0 (all) or more, found " +
                 std::to_string(options.topK)};
  bool topPInRange = options.topP > 0 && options.topP <= 1; // false for NaN
  if (!topPInRange)
    return Error{"sampler: expected top-p in (0, 1], found " +
                 std::to_string(options.topP)};
  for (TokenId id : options.suppressed)
    if (id < 0)
      return Error{"sampler: expected suppressed tokens from 0 on, found " +
                   std::to_string(id)};
  return Sampler(options);
}

Sampler::Sampler(const SamplerOptions &options)
    : options(options), engine(options.seed) {
  for (TokenId id : options.suppressed) {
    suppressed.resize(std::max(suppressed.size(), size_t(id) + 1));
    suppressed[size_t(id)] = true;
  }
}

Result<TokenId> Sampler::sample(const float *logits, size_t count) {
  if (count > size_t(std::numeric_limits<TokenId>::max()))
    return Error{"sampler: expected fewer than 2^31 logits, found " +
                 std::to_string(count)};
  // Comparing with > passes over NaN, and over a later equal.
  float best = -std::numeric_limits<float>::infinity();
  TokenId bestId = kNoToken;
  for (size_t id = 0; id < count; ++id) {
    if (logits[id] > best && !isSuppressed(id)) {
      best = logits[id];
      bestId = TokenId(id);
    }
  }
  if (bestId == kNoToken)
    return Error{"sampler: expected a logit above minus infinity, found none "
                 "among " +
                 std::to_string(count)};
  if (options.temperature == 0)
    return bestId;
  double sum = collect(logits, count, best);
  return draw(applyTopP(applyTopK(sum)));
}

std::optional<size_t> Sampler::bestNeeded(const SamplerOptions &options) {
  if (options.temperature == 0)
    return 1;
  if (options.topK <= 0)
    return std::nullopt;
  // One more tells whether these are all that there are, which are added and
  // drawn in order of id.
  return size_t(options.topK) + 1;
}

Result<TokenId> Sampler::sample(const BestLogits &best) {
  candidates.clear();
  bool isWhole = false;
  for (size_t i = 0; i < best.count && !isWhole; ++i) {
    TokenId id = best.ids[i];
    isWhole = id < 0;
    if (!isWhole && size_t(id) < best.choices && !isSuppressed(size_t(id)))
      candidates.push_back({best.logits[i], id, 0});
  }
  std::optional<size_t> needed = bestNeeded(options);
  if (!isWhole && (!needed || candidates.size() < *needed))
    return Error{"sampler: expected " +
                 (needed ? "the best " + std::to_string(*needed) : "all") +
                 " logits that count, found " +
                 std::to_string(candidates.size()) + " among the best " +
                 std::to_string(best.count)};
  if (candidates.empty())
    return Error{"sampler: expected a logit above minus infinity, found none "
                 "among " +
                 std::to_string(best.choices)};
  if (options.temperature == 0)
    return candidates.front().id;
  float largest = candidates.front().logit;
  for (Candidate &candidate : candidates)
    candidate.weight = weightOf(candidate.logit, largest);
  candidates.erase(
      std::remove_if(candidates.begin(), candidates.end(),
                     [](const Candidate &c) { return c.weight == 0; }),
      candidates.end());
  // In the order in which `collect` and `applyTopK` leave them and add weights.
  if (options.topK == 0 || candidates.size() <= uint64_t(options.topK))
    std::sort(
        candidates.begin(), candidates.end(),
        [](const Candidate &a, const Candidate &b) { return a.id < b.id; });
  else
    candidates.erase(candidates.begin() + options.topK, candidates.end());
  double sum = 0;
  for (const Candidate &candidate : candidates)
    sum += candidate.weight;
  return draw(applyTopP(sum));
}

/// The weight of a logit beside the largest; 0 if no draw can reach it.
double Sampler::weightOf(float logit, float best) const {
  // Equality first: infinity - infinity is NaN.
  return logit == best
             ? 1.0
             : std::exp((double(logit) - double(best)) / options.temperature);
}

/// Makes a candidate of every token that has a chance, in order of id. Returns
/// the sum of the weights, which is at least 1: that of the best.
double Sampler::collect(const float *logits, size_t count, float best) {
  candidates.clear();
  double sum = 0;
  for (size_t id = 0; id < count; ++id) {
    float logit = logits[id];
    if (!(logit > -std::numeric_limits<float>::infinity()) || isSuppressed(id))
      continue;
    double weight = weightOf(logit, best);
    if (weight == 0)
      continue;
    candidates.push_back({logit, TokenId(id), weight});
    sum += weight;
  }
  return sum;
}

/// Keeps the `topK` most probable candidates, most probable first. Returns the
/// sum of the weights that are left.
double Sampler::applyTopK(double sum) {
  if (options.topK == 0 || uint64_t(options.topK) >= candidates.size())
    return sum;
  auto keptEnd = candidates.begin() + options.topK;
  std::partial_sort(
      candidates.begin(), keptEnd, candidates.end(),
      [](const Candidate &a, const Candidate &b) { return a.ranksBefore(b); });
  candidates.erase(keptEnd, candidates.end());
  sum = 0;
  for (const Candidate &candidate : candidates)
    sum += candidate.weight;
  return sum;
}

/// Keeps the most probable candidates until they reach `topP` of `sum`, most
/// probable first. Returns the sum of the weights that are left.
///
/// A heap instead of a sort: usually a few tokens of a quarter million are
/// kept, and only they need to be in order.
double Sampler::applyTopP(double sum) {
  if (options.topP == 1)
    return sum;
  auto ranksAfter = [](const Candidate &a, const Candidate &b) {
    return b.ranksBefore(a);
  };
  auto begin = candidates.begin(), end = candidates.end();
  std::make_heap(begin, end, ranksAfter);
  double kept = 0;
  // What is taken off the top gathers at the back, most probable last.
  while (end != begin && kept < options.topP * sum) {
    std::pop_heap(begin, end, ranksAfter);
    --end;
    kept += end->weight;
  }
  candidates.erase(begin, end);
  std::reverse(candidates.begin(), candidates.end());
  return kept;
}

/// One draw from the candidates in proportion to their weights.
TokenId Sampler::draw(double sum) {
  double target = double(engine() >> 11) * 0x1p-53 * sum;
  for (const Candidate &candidate : candidates) {
    target -= candidate.weight;
    if (target < 0)
      return candidate.id;
  }
  // Rounding can leave a target that no weight reaches.
  return candidates.back().id;
}
