// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A head of a query, key or value in the registers of a warp.

#ifndef FLOW_LIB_CODEGEN_GPU_HEADVECTOR_H
#define FLOW_LIB_CODEGEN_GPU_HEADVECTOR_H

#include "KernelBuilder.h"
#include "flow/Codegen/GPU/Kernels.h"

namespace flow::cuda {

/// How the lanes of a warp share heads of `headDim` numbers, which is even. A
/// lane has the numbers `lane + 32 i` of the first half and those of the second
/// one that they turn with: `Vals` of such pairs, zeros where there are none.
class HeadVector {
public:
  HeadVector(KernelBuilder &k, int64_t headDim, Val lane)
      : k(k), headDim(headDim), lane(lane) {}

  int64_t numbersOfLane() const { return 2 * pairsOfLane(); }

  /// Of f32 in global memory.
  Vals load(Val source);
  /// `head / sqrt(mean of squares + eps)`, and times `weight` unless it is
  /// null.
  void norm(Vals &head, Val weight, double eps);
  /// Turns each pair by its `(cos, sin)` in `angles`, f32.
  void rotate(Vals &head, Val angles);
  /// Stores as bf16, number `i` at `place(i)`.
  void store(const Vals &head, llvm::function_ref<Val(Val)> place);

private:
  int64_t pairs() const { return headDim / 2; }
  int64_t pairsOfLane() const { return (pairs() + 31) / 32; }
  Val pairOf(int64_t i) { return lane + 32 * i; }
  /// What `body` gives where the lane's `i`-th pair exists, else zeros.
  Vals ifExists(int64_t i, llvm::function_ref<Vals()> body);

  KernelBuilder &k;
  int64_t headDim;
  Val lane;
};

/// What the heads of one row are made of.
struct HeadOperands {
  /// The row of the product, [(H + 2 KV) * D] f32.
  Val product;
  /// [D] f32, of heads with norms; of keys, where there are any.
  Val queryWeight, keyWeight;
  /// Of the row, [D/2, 2] f32.
  Val angles;
};

/// The first parameters of a kernel that makes heads, of row 0; `next` goes on
/// to what follows them.
HeadOperands headOperands(const HeadRows &rows, const Val *&next);

/// Makes the heads of a row, one a warp.
class HeadMaker {
public:
  HeadMaker(KernelBuilder &k, const HeadRows &rows,
            const HeadOperands &operands)
      : rows(rows), operands(operands), k(k),
        vector(k, rows.headDim, k.threadId() & 31) {}

  Vals query(Val head);
  Vals key(Val kvHead);
  Vals value(Val kvHead);
  int64_t numbersOfLane() const { return vector.numbersOfLane(); }
  /// Stores as bf16, number `i` at `place(i)`.
  void store(const Vals &head, llvm::function_ref<Val(Val)> place) {
    vector.store(head, place);
  }
  /// The same, one number after the other.
  void store(const Vals &head, Val target);

private:
  Vals load(Val column);

  const HeadRows &rows;
  HeadOperands operands;
  KernelBuilder &k;
  HeadVector vector;
};

/// The part of a kernel's name that says what becomes of heads.
std::string nameOf(const HeadRows &rows);

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_HEADVECTOR_H
