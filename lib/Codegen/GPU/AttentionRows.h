// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The rows of a CTA of attention: heads of tokens, and the keys that they see.

#ifndef FLOW_LIB_CODEGEN_GPU_ATTENTIONROWS_H
#define FLOW_LIB_CODEGEN_GPU_ATTENTIONROWS_H

#include "KernelBuilder.h"
#include "flow/Codegen/GPU/Kernels.h"

namespace flow::cuda {

/// Tiles of keys from `first` on and before `end`.
struct KeyTiles {
  Val first, end;
};

/// The keys that a row sees: the window of position `anchor`, and what follows
/// up to `last`. Both are the row's own position, but in a span. Neither moves
/// back from a row to the next, so the first and the last row say it of all.
struct Reach {
  Val anchor, last;
};

/// What a CTA knows of its step.
struct StepOperands {
  /// Position of token 0; the last token's is that of the last key.
  Val start, tokens;
  /// How many keys the cache holds.
  Val capacity;
  /// The CTA's KV head, and the first of its rows.
  Val kvHead, firstRow;
  /// [spanCount, 2] i32, if attention has spans.
  Val spans, spanCount;
};

/// `count` rows of one KV head. A row is a head of a token: row r of the head
/// is head `r % G` of token `r / G`, of the G heads that share it.
class AttentionRows {
public:
  /// `laneCount` rows of the lane, 8 apart, begin with `laneRow` of the CTA.
  AttentionRows(KernelBuilder &k, const Attention &attention,
                const StepOperands &step, int64_t count, Val laneRow,
                int64_t laneCount);

  /// Of row `row` of the CTA.
  Val token(Val row) const { return (step.firstRow + row) / headsOfGroup(); }
  Val head(Val row) const {
    return step.kvHead * headsOfGroup() +
           (step.firstRow + row) % headsOfGroup();
  }
  Val position(Val row) const { return step.start + token(row); }

  /// The position behind the last key.
  Val keyEnd() const { return end; }
  /// Those of `keys` keys of which a row sees one. The first row exists.
  KeyTiles visibleTiles(int64_t keys) const;
  /// Whether a row does not see one of `keys` keys from `firstKey` on.
  Val hidesSome(Val firstKey, int64_t keys) const;
  /// Of the lane's rows.
  llvm::ArrayRef<Reach> laneReaches() const {
    return llvm::ArrayRef<Reach>(reaches).drop_front(2);
  }

private:
  int64_t headsOfGroup() const { return attention.heads / attention.kvHeads; }
  void reachIntoSpans(KernelBuilder &k, llvm::ArrayRef<Val> positions);

  const Attention &attention;
  StepOperands step;
  Val end;
  /// Of the CTA's first row, of its last one that exists, and of the lane's.
  llvm::SmallVector<Reach> reaches;
};

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_ATTENTIONROWS_H
