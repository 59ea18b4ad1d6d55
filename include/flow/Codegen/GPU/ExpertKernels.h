// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builders of the kernels of a mixture of experts, under the rules of those of
// a decoder layer.

#ifndef FLOW_CODEGEN_GPU_EXPERTKERNELS_H
#define FLOW_CODEGEN_GPU_EXPERTKERNELS_H

#include "flow/Codegen/GPU/Kernels.h"

namespace flow::cuda {

/// The choice of `flow.route_experts`, and its shares.
struct Router {
  /// At most 1024 experts, of which a row chooses at most 32.
  int64_t experts = 0, chosen = 0;
  double factor = 1;
};

/// Parameters: logits [T, E] f32, expert scale [E] f32, experts [T, k] i32,
/// shares [T, k] f32.
KernelLaunch buildRouter(mlir::OpBuilder &builder, const KernelTarget &target,
                         const Router &router);

/// The gated MLPs of `flow.grouped_mlp`: from rows [T, width] by gates and ups
/// [E * 2 hidden, width], 16 columns of each in turn, and by [E * columns,
/// hidden] to [T, columns]. Weights and what they multiply are bf16, sums f32.
struct ExpertMlp {
  int64_t experts = 0, chosen = 0;
  /// `hidden` is a multiple of 16, the others are of 8.
  int64_t width = 0, hidden = 0, columns = 0;
};

/// Any number of rows, sorted by expert: an expert's weights are read for all
/// of its rows together, and not at all if there are none.
struct RowsExperts {
  /// Parameters: experts [T, k] i32, order [T, k] i32, bounds [E, 2] i32, step.
  /// `order` becomes the places in `experts` of expert 0, ascending, then those
  /// of expert 1, and so on; `bounds` where those of each begin and end there.
  KernelLaunch order;
  /// Parameters: x [T, width] bf16, gates and ups, order, bounds, result [T, k,
  /// hidden] bf16.
  KernelLaunch gates;
  /// Parameters: what `gates` gave, weights, order, bounds, result [T, k,
  /// columns] f32.
  KernelLaunch down;
  /// Parameters: what `down` gave, shares [T, k] f32, result [T, columns] f32.
  KernelLaunch sum;
};
RowsExperts buildRowsExperts(mlir::OpBuilder &builder,
                             const KernelTarget &target, const ExpertMlp &mlp);

/// One row, by a stream of the weights of the experts that it chose.
struct VectorExperts {
  /// Parameters: x [1, width] bf16, gates and ups, experts [1, k] i32, result
  /// [1, k, hidden] bf16.
  KernelLaunch gates;
  /// Parameters: what `gates` gave, weights, experts [1, k] i32, shares [1, k]
  /// f32, result [1, columns] f32.
  KernelLaunch down;
};
VectorExperts buildVectorExperts(mlir::OpBuilder &builder,
                                 const KernelTarget &target,
                                 const ExpertMlp &mlp);

} // namespace flow::cuda

#endif // FLOW_CODEGEN_GPU_EXPERTKERNELS_H
