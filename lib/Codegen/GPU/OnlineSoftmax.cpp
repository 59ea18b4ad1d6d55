// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Softmax of scores that come tile by tile.

#include "OnlineSoftmax.h"

using namespace mlir;
using namespace flow::cuda;

/// Scores of keys that a row does not see, and the maximum of a row that has
/// seen none. Finite, so that no difference of them is a NaN; and so far apart
/// that a row which has seen nothing gives its hidden keys the weight 0.
static constexpr double kHidden = -1.0e30, kLowest = -1.0e20;

static constexpr double kLog2E = 1.4426950408889634;

Vals flow::cuda::combineLanes(Vals values,
                              llvm::function_ref<Val(Val, Val)> combine) {
  for (Val &value : values)
    for (int64_t mask : {1, 2})
      value = combine(value, value.builder().shuffleXor(value, mask));
  return values;
}

void flow::cuda::rescaleRows(Vals &values, const Vals &rescales,
                             int64_t blocks) {
  for (auto [row, rescale] : llvm::enumerate(rescales))
    for (int64_t n = 0; n != blocks; ++n)
      for (int64_t e = 0; e != 2; ++e) {
        Val &value =
            values[fragmentIndex(static_cast<int64_t>(row), n, e, blocks)];
        value = value * rescale;
      }
}

OnlineSoftmax::OnlineSoftmax(KernelBuilder &k, const Attention &attention,
                             ArrayRef<Reach> reaches, int64_t blocks)
    : k(k), attention(attention), reaches(reaches), blocks(blocks),
      exponentScale(attention.softcap.value_or(attention.scale) * kLog2E) {}

Vals OnlineSoftmax::lowest() const {
  return Vals(reaches.size(), k.f32(kLowest));
}

Vals OnlineSoftmax::capped(Vals scores) const {
  if (attention.softcap)
    for (Val &score : scores)
      score = k.tanh(score * (attention.scale / *attention.softcap));
  return scores;
}

Vals OnlineSoftmax::masked(Vals scores, Val laneKey) const {
  Val hidden = k.f32(kHidden);
  for (int64_t row = 0; row != rowCount(); ++row) {
    // Keys from the lane's first one to the row's last, and to its anchor.
    Val last = reaches[row].last - laneKey;
    Val anchor = reaches[row].anchor - laneKey;
    for (int64_t n = 0; n != blocks; ++n)
      for (int64_t e = 0; e != 2; ++e) {
        Val &score = scores[fragmentIndex(row, n, e, blocks)];
        Val visible = last >= 8 * n + e;
        if (attention.window != 0)
          visible = visible & (anchor < 8 * n + e + attention.window);
        score = k.select(visible, score, hidden);
      }
  }
  return scores;
}

Vals OnlineSoftmax::maxima(const Vals &scores) const {
  Vals maxima;
  for (int64_t row = 0; row != rowCount(); ++row) {
    Val maximum = scores[fragmentIndex(row, 0, 0, blocks)];
    for (int64_t i = 1; i != 2 * blocks; ++i)
      maximum = maximum.max(scores[fragmentIndex(row, i / 2, i % 2, blocks)]);
    maxima.push_back(maximum);
  }
  return maxima;
}

OnlineSoftmax::Weights OnlineSoftmax::weigh(const Vals &scores,
                                            const Vals &tileMaxima,
                                            Vals &maxima, Vals &sums) const {
  Weights weights;
  weights.packed.resize(scores.size() / 2);
  for (int64_t row = 0; row != rowCount(); ++row) {
    Val last = maxima[row];
    maxima[row] = last.max(tileMaxima[row]);
    // What there is so far was relative to the last maximum.
    Val rescale = k.exp2((last - maxima[row]) * exponentScale);
    weights.rescales.push_back(rescale);
    Val &sum = sums[row];
    sum = sum * rescale;
    Val shift = maxima[row] * -exponentScale;
    for (int64_t n = 0; n != blocks; ++n) {
      int64_t at = fragmentIndex(row, n, 0, blocks);
      auto weight = [&](Val score) {
        return k.exp2(k.fma(score, k.f32(exponentScale), shift));
      };
      Val first = weight(scores[at]), second = weight(scores[at + 1]);
      sum = sum + first + second;
      weights.packed[at / 2] = k.packBf16(first, second);
    }
  }
  return weights;
}
