// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What can be proven of a mask: which blocks of keys a tile of queries needs.
//
// Every mask shows a query one interval of keys, and neither end of it moves
// back from a query to the next. So the first row of a tile decides where its
// loop over keys begins, the last row where it ends, and a block is full or
// skipped by comparing its ends with two rows.

#ifndef FLOW_ANALYSIS_MASKANALYSIS_H
#define FLOW_ANALYSIS_MASKANALYSIS_H

#include "flow/IR/FlowAttributes.h"

namespace flow {

/// What is known of every step that an attention runs in.
struct StepBounds {
  /// The largest number of positions; 0 = nothing bounds the sequence.
  int64_t context = 0;
  /// The step is one row, and no key behind it is present.
  bool endsAtRow = false;
};

/// True if the window of `mask` can hide a key in a sequence of at most
/// `context >= 1` positions: the furthest key is `context - 1` back.
bool canWindowBind(MaskAttr mask, int64_t context);

/// The mask with the least to compare that shows the same keys as `mask` in
/// every step within `bounds`: without a window that cannot bind, and without
/// spans where none can add a key. A span adds keys behind the query, of which
/// a step that ends at its row has none, and, if it is free, keys before the
/// window.
MaskAttr simplifyMask(MaskAttr mask, const StepBounds &bounds);

/// The shortest loop over blocks of `size >= 1` keys that is legal for `mask`
/// whatever the step and the spans.
KeyBlocksAttr chooseKeyBlocks(MaskAttr mask, int64_t size);

/// Consecutive query rows at the positions from `first` to `last`, both
/// included, over keys at the positions below `total`. `0 <= first <= last`
/// and `0 <= total`. The spans are ascending and disjoint.
struct QueryTile {
  int64_t first, last, total;
  llvm::ArrayRef<PositionSpan> spans = {};
};

/// Blocks, or keys, from `begin` to before `end`; none if `begin >= end`.
struct IndexRange {
  int64_t begin, end;
};

/// The keys below `total` that the query at `position >= 0` sees.
IndexRange getVisibleKeys(MaskAttr mask, int64_t position, int64_t total,
                          llvm::ArrayRef<PositionSpan> spans = {});

/// The blocks that `tile` visits by the formulas of `#flow.key_blocks`.
IndexRange getVisitedBlocks(KeyBlocksAttr blocks, MaskAttr mask,
                            const QueryTile &tile);

/// What a tile sees of a block: no row any key, each row every key that is
/// below `total`, or neither.
enum class BlockView { Skipped, Full, Partial };

/// How `tile` sees block `block` of `size >= 1` positions, of which at least
/// one is below `total`.
BlockView classifyBlock(MaskAttr mask, const QueryTile &tile, int64_t block,
                        int64_t size);

/// Blocks by how a tile sees them.
struct BlockCounts {
  int64_t skipped = 0, full = 0, partial = 0;
};

/// Counts the blocks of `size >= 1` positions that hold a position below
/// `tile.total`, in constant time but for the number of spans.
BlockCounts countBlocks(MaskAttr mask, const QueryTile &tile, int64_t size);

} // namespace flow

#endif // FLOW_ANALYSIS_MASKANALYSIS_H
