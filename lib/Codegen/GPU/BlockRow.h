// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of f32 in the registers of a CTA, their sums and their norms.

#ifndef FLOW_LIB_CODEGEN_GPU_BLOCKROW_H
#define FLOW_LIB_CODEGEN_GPU_BLOCKROW_H

#include "KernelBuilder.h"
#include "KernelFunction.h"
#include "flow/Codegen/GPU/Kernels.h"

namespace flow::cuda {

/// How the threads of a CTA share rows of `width` numbers, a multiple of 4: a
/// thread has four neighbours, and then those `4 * threads` further on. What it
/// has of a row is `Vals`, with zeros where the row has ended.
class BlockRow {
public:
  BlockRow(KernelBuilder &k, int64_t width, int64_t threads)
      : k(k), width(width), threads(threads) {}

  /// Threads for which a row of so many numbers takes few registers.
  static int64_t threadsFor(int64_t width);

  Vals load(Val row);
  /// Stores as `type`, into global or shared memory.
  void store(const Vals &values, Val row, RowType type);

  /// Shared memory that one sum over so many threads needs.
  static int64_t bytesOfSum(int64_t threads) { return threads / 32 * 4; }
  /// `1 / sqrt(mean of squares + eps)` of a row. `sums` is shared memory that
  /// nothing else uses.
  Val inverseRoot(const Vals &values, double eps, Val sums);
  int64_t threadCount() const { return threads; }

private:
  int64_t runs() const { return (width + 4 * threads - 1) / (4 * threads); }
  Val columnOf(int64_t run) { return (k.threadId() + run * threads) * 4; }
  bool isWhole(int64_t run) const { return 4 * threads * (run + 1) <= width; }

  KernelBuilder &k;
  int64_t width, threads;
};

/// Where the rows of a sum and its norm are. What a `SumNorm` has not is null.
struct SumNormOperands {
  Val stream, branch, branchWeight, sumScale, weight, gate;
  /// Of the two parts of a branch.
  Val parts[2], partWeights[2];
};

/// How the parameters of a kernel begin that sums and norms.
llvm::SmallVector<Access> accessOf(const SumNorm &norm);
/// Those parameters, of row `index`.
SumNormOperands operandsOf(KernelBuilder &k, const SumNorm &norm,
                           llvm::ArrayRef<Val> parameters, Val index);

struct SumAndNormed {
  Vals sum, normed;
};

/// Shared memory of `sumAndNorm` by so many threads.
inline int64_t bytesOfSumNorm(const SumNorm &norm, int64_t threads) {
  return (norm.hasParts ? 4 : 2) * BlockRow::bytesOfSum(threads);
}
/// Sums and norms one row, and gates what leaves.
SumAndNormed sumAndNorm(KernelBuilder &k, BlockRow &row, const SumNorm &norm,
                        const SumNormOperands &operands, Val shared);

/// The parts of a kernel's name that say which norm it is.
std::string nameOf(const RowNorm &norm);
std::string nameOf(const SumNorm &norm);

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_BLOCKROW_H
