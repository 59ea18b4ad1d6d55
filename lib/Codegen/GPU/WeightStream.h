// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The weights of a product of one row, as a warp streams them.

#ifndef FLOW_LIB_CODEGEN_GPU_WEIGHTSTREAM_H
#define FLOW_LIB_CODEGEN_GPU_WEIGHTSTREAM_H

#include "WeightBlocks.h"

namespace flow::cuda {

/// Rows of weights in steps of 16 bytes a lane, by a queue of copies in shared
/// memory. Each lane reads only what it has copied, so nobody waits for others.
class WeightStream {
public:
  /// Copies that a lane has under way, and one more. The scheduler of ptxas
  /// moves loads to their uses, so that plain ones would not be ahead.
  static constexpr int64_t kQueue = 8;

  /// Of warp `warp`, one of `warps` whose queues begin at `shared`.
  WeightStream(KernelBuilder &k, const Product &product, Val weights,
               Val shared, Val warp, int64_t warps, Val lane);

  /// Bytes of shared memory for the queues of so many warps.
  static int64_t sharedBytes(const Product &product, int64_t warps);
  /// Steps that a row takes.
  static int64_t stepsOfRow(const Product &product);

  /// Starts the copies of step `step` of row `row` for the queue's place
  /// `item`, as one group, which is empty unless `exists`.
  void copy(Val item, Val row, Val step, Val exists);
  /// `sums` and the products of a step, which has arrived in the queue's place
  /// `item`, with the bf16 at `x`, in global or shared memory. There are two
  /// sums, which together are one.
  Vals dot(Val item, Val step, Val x, const Vals &sums);

private:
  int64_t chunksOfRow() const {
    return product.depth / weightsOfChunk(product.weights);
  }
  /// The block of 32 or 16 weights that a chunk belongs to.
  Val blockOf(Val chunk) const;
  void copyScales(Val item, Val row, Val chunk, Val exists);
  Vals dotBf16(Val item, Val step, Val x, const Vals &sums);
  Vals dotBlocks(Val item, Val step, Val x, const Vals &sums);

  KernelBuilder &k;
  const Product &product;
  Val weights, lane;
  /// The lane's first place in the queues of chunks and of scales.
  Val slot, scaleSlot;
};

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_WEIGHTSTREAM_H
