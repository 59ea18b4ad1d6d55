// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Softmax of scores that come tile by tile, in the fragments of tensor cores.

#ifndef FLOW_LIB_CODEGEN_GPU_ONLINESOFTMAX_H
#define FLOW_LIB_CODEGEN_GPU_ONLINESOFTMAX_H

#include "AttentionRows.h"

namespace flow::cuda {

/// Of fragments with `blocks` blocks of 8 columns: the value of the lane's
/// `row`-th row, in a block.
inline int64_t fragmentIndex(int64_t row, int64_t block, int64_t element,
                             int64_t blocks) {
  return 4 * ((row / 2) * blocks + block) + 2 * (row % 2) + element;
}

/// `values` of a lane's rows, combined over the four lanes of a row.
Vals combineLanes(Vals values, llvm::function_ref<Val(Val, Val)> combine);

/// The softmax of a lane's rows, which are 8 apart. Scores are fragments of a
/// tile's products of queries and keys, with `blocks` blocks of 8 keys.
class OnlineSoftmax {
public:
  /// `reaches` are those of the lane's rows.
  OnlineSoftmax(KernelBuilder &k, const Attention &attention,
                llvm::ArrayRef<Reach> reaches, int64_t blocks);

  /// Of rows that have seen nothing: the largest score.
  Vals lowest() const;

  /// Takes `scores` through the softcap, if there is one.
  Vals capped(Vals scores) const;
  /// Hides the keys that rows do not see; `laneKey` is that of the lane's first
  /// score.
  Vals masked(Vals scores, Val laneKey) const;
  /// The lane's largest score of each row.
  Vals maxima(const Vals &scores) const;

  struct Weights {
    /// Two bf16 each, as fragments of a factor.
    Vals packed;
    /// What the sums of weighted values so far must be multiplied by.
    Vals rescales;
  };
  /// Takes a tile whose rows' largest scores are `tileMaxima` into `maxima` and
  /// the lane's parts of the `sums` of weights.
  Weights weigh(const Vals &scores, const Vals &tileMaxima, Vals &maxima,
                Vals &sums) const;

  /// The exponent of 2 that a score is.
  Val exponent(Val score) const { return score * exponentScale; }

private:
  int64_t rowCount() const { return static_cast<int64_t>(reaches.size()); }

  KernelBuilder &k;
  const Attention &attention;
  llvm::SmallVector<Reach> reaches;
  int64_t blocks;
  /// What a score is multiplied by before it is an exponent of 2.
  double exponentScale;
};

/// Multiplies the weighted values of the lane's rows, fragments with `blocks`
/// blocks of 8 dimensions.
void rescaleRows(Vals &values, const Vals &rescales, int64_t blocks);

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_ONLINESOFTMAX_H
