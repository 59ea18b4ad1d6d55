// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The launches that the stages of a mixture of experts become.

#ifndef FLOW_LIB_CONVERSION_FLOWTOGPU_EXPERTLAUNCHES_H
#define FLOW_LIB_CONVERSION_FLOWTOGPU_EXPERTLAUNCHES_H

#include "flow/Codegen/GPU/Kernels.h"
#include "flow/IR/FlowOps.h"

namespace flow {

/// Launches a kernel for a stage that is at hand, with the step's table if
/// `readsStep` is set, for results of `types`.
using LaunchKernel = llvm::function_ref<mlir::ResultRange(
    const cuda::KernelLaunch &kernel, llvm::ArrayRef<mlir::Value> inputs,
    bool readsStep, mlir::TypeRange types)>;

/// Chooses experts by `logits`. Returns experts and shares; an error is
/// emitted.
mlir::FailureOr<mlir::ResultRange>
launchRouter(mlir::OpBuilder &builder, const cuda::KernelTarget &target,
             RouterOp op, mlir::Value logits, mlir::Value expertScale,
             LaunchKernel launch);

/// The operands of experts' MLPs, as kernels take them.
struct ExpertOperands {
  mlir::Value rows, experts, shares, gateUp, down;
};

/// The sum over the experts of each row; an error is emitted.
mlir::FailureOr<mlir::Value> launchExperts(mlir::OpBuilder &builder,
                                           const cuda::KernelTarget &target,
                                           GroupedMlpOp op,
                                           const ExpertOperands &operands,
                                           LaunchKernel launch);

} // namespace flow

#endif // FLOW_LIB_CONVERSION_FLOWTOGPU_EXPERTLAUNCHES_H
