// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps with rows of several sequences: where rows stand, and slots of caches.

#ifndef FLOW_LIB_REFERENCE_SEQUENCES_H
#define FLOW_LIB_REFERENCE_SEQUENCES_H

#include "Stages.h"

#include "llvm/Support/Error.h"

#include <vector>

namespace flow::reference {

/// Rows of one sequence in a step: `count` from row `first` on, at the
/// positions from `start` on. Its cache is that in `slot`, or, with -1, the
/// only one.
struct SequenceRows {
  int64_t slot, first, count, start;
};

/// What a row of a table of sequences says, as `SequenceRows` has it.
/// `rows` is the number of rows of the step, `slots` that of the caches, or -1
/// for an op without caches. Refuses rows and slots that are not there or that
/// two sequences claim, empty sequences, and positions out of range; with
/// `singleRows` all but a step whose row `t` is the only one of sequence `t`.
llvm::Expected<std::vector<SequenceRows>>
readSequences(const TokenTensor &table, int64_t rows, bool singleRows,
              int64_t slots);

/// `flow.rope_angles` of `rows` rows; those of no sequence have position 0.
Tensor ropeAngles(const RopeParameters &table,
                  llvm::ArrayRef<SequenceRows> sequences, int64_t rows);

/// One half of `flow.kv_append`: `cache` `[C, K, D]` or `[slots, C, K, D]`.
Tensor append(const Tensor &rows, const Tensor &cache,
              llvm::ArrayRef<SequenceRows> sequences, Element element);

/// `flow.attention` over slots `[slots, S, K, D]`. Start and total of
/// `parameters` are ignored; rows of no sequence are zeros.
Tensor attention(mlir::MLIRContext &context, const Tensor &query,
                 const Tensor &key, const Tensor &value,
                 AttentionParameters parameters,
                 llvm::ArrayRef<SequenceRows> sequences, Element element);

} // namespace flow::reference

#endif // FLOW_LIB_REFERENCE_SEQUENCES_H
