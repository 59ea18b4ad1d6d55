// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The walk of a CTA over tiles of keys and values: scores, online softmax and
// weighted sums.

#ifndef FLOW_LIB_CODEGEN_GPU_ATTENTIONBODY_H
#define FLOW_LIB_CODEGEN_GPU_ATTENTIONBODY_H

#include "AttentionRows.h"
#include "AttentionTile.h"
#include "KernelBuilder.h"
#include "OnlineSoftmax.h"

namespace flow::cuda {

/// What a CTA attends with.
struct AttentionOperands : StepOperands {
  /// [tokens, H, D], and twice [capacity, KV, D]. A query that is null is put
  /// into shared memory by the caller, at `queryPlace`.
  Val query, keys, values;
};

/// What a thread has of one row.
struct AttendedRow {
  Val token, head;
  /// Of the row: the largest exponent, and the sum of `2^(exponent - largest)`
  /// over the keys.
  Val maximum, sum;
  /// Pair i holds the weighted values, not divided by `sum`, of dimensions
  /// `dimension + 8 i` and the next.
  Val dimension;
  llvm::SmallVector<std::pair<Val, Val>> pairs;
};

class AttentionBody {
public:
  AttentionBody(KernelBuilder &k, const Attention &attention,
                const AttentionTile &tile, const AttentionOperands &operands);

  /// Those of which a row of the CTA sees a key. One of its rows exists.
  KeyTiles visibleTiles() { return rows.visibleTiles(tile.keys); }

  /// Where in shared memory number `number` of the query of a row is, a bf16.
  /// Every row of the tile has one; those that are not there are zeros.
  Val queryPlace(Val row, Val number);

  /// Attends to the keys in `tiles`, of which there is one or more, and calls
  /// `store` for each row of the thread, where that row exists.
  void attend(const KeyTiles &tiles,
              llvm::function_ref<void(const AttendedRow &)> store);

  /// Whether the thread is one that stores what there is once of a row.
  Val isFirstOfRow();

private:
  /// Rows of a lane: 8 apart, two of each row block.
  int64_t rowsOfLane() const { return 2 * tile.rowBlocks; }
  /// 8-column blocks of a warp's scores and of its sums.
  int64_t scoreBlocks() const { return tile.memberKeys() / 8; }
  int64_t valueBlocks() const { return tile.memberDims() / 8; }

  /// The softmax so far of the lane's rows: the largest score, the lane's part
  /// of the sum, and the weighted values in the fragments of mma.
  struct State {
    Vals maxima, sums, values;
  };

  /// Where a lane's address for ldmatrix begins: a byte offset, and the three
  /// low bits of the chunk, swizzled.
  struct Fragment {
    Val offset, chunk;
  };
  Fragment fragment(Val row, Val chunk);
  /// The address `chunk` chunks further, which reaches no bit of the lane's own
  /// chunk, and `offset` bytes.
  Val addressOf(const Fragment &fragment, int64_t chunk, int64_t offset);

  void copyQuery();
  /// Starts the copy of the tile of `cache` whose key 0 is at `position`, in
  /// row `ringRow` of the ring. Keys that do not exist are zeros.
  void copyTile(Val cache, Val position, Val ringRow, int64_t sharedOffset);
  /// Where pass `pass` of this thread's copies goes.
  Val copyTarget(int64_t pass, int64_t sharedOffset);

  /// One tile, whose keys are under way.
  State step(Val keyTile, Val ringRow, Val nextRingRow, Val end, State state);
  Vals scores();
  Val laneKey(Val firstKey);
  /// Takes a tile's scores into the softmax; gives the weights, two bf16 each.
  Vals weights(const Vals &scores, State &state);
  void storeWeights(const Vals &weights);
  void addValues(const Vals &weights, Vals &values);

  using Combine = llvm::function_ref<Val(Val, Val)>;
  /// `values` of the lane's rows, combined over the lanes of a row and over the
  /// members of the group.
  Vals combineRow(Vals values, Combine combine);
  Vals combineMembers(Vals values, Combine combine);

  KernelBuilder &k;
  const Attention &attention;
  const AttentionTile &tile;
  const AttentionOperands &operands;
  Val shared, thread, lane, group, member;
  /// The first row of the group in the tile, and of the lane.
  Val groupRow, laneRow;
  AttentionRows rows;
  OnlineSoftmax softmax;
  /// Of this thread's copies: row and chunk in a pass.
  Val copyRow, copyChunk, keySource, valueSource;
  Fragment queryFragment, keyFragment, valueFragment;
};

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_ATTENTIONBODY_H
