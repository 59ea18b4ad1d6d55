// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builders of the kernels that choose the largest logits, under the rules of
// those of a decoder layer.

#ifndef FLOW_CODEGEN_GPU_SELECTIONKERNELS_H
#define FLOW_CODEGEN_GPU_SELECTIONKERNELS_H

#include "flow/Codegen/GPU/Kernels.h"

namespace flow::cuda {

/// The choice of `flow.top_k` from one row.
struct TopK {
  /// `count` is at most `columns` and `kMostChosen`.
  int64_t columns = 0, count = 0;
};

/// Half of what a block sorts, so that every launch leaves half at most.
constexpr int64_t kMostChosen = 2048;

/// Launches one after the other, of which each block sorts a piece of what the
/// one before has left, and leaves its `count` largest.
struct TopKLaunches {
  struct Step {
    KernelLaunch launch;
    /// i32 that it leaves for the next one; 0 for the last.
    int64_t workspaceInts = 0;
  };
  /// Parameters of the first: logits [1, columns] f32; of the others: what the
  /// one before has left, and the logits. Behind them that of the last: values
  /// [1, count] f32 and tokens [1, count] i32; of the others: a workspace of
  /// i32 that begins at a multiple of 8 bytes.
  llvm::SmallVector<Step> steps;
};

TopKLaunches buildTopK(mlir::OpBuilder &builder, const KernelTarget &target,
                       const TopK &choice);

} // namespace flow::cuda

#endif // FLOW_CODEGEN_GPU_SELECTIONKERNELS_H
