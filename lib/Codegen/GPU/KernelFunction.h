// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The frame of a kernel: its function in a module of kernels.

#ifndef FLOW_LIB_CODEGEN_GPU_KERNELFUNCTION_H
#define FLOW_LIB_CODEGEN_GPU_KERNELFUNCTION_H

#include "KernelBuilder.h"
#include "flow/Codegen/GPU/Kernels.h"

namespace flow::cuda {

/// Address spaces of LLVM's NVPTX.
constexpr unsigned kGlobalSpace = 1, kSharedSpace = 3;

/// All dynamic shared memory of a CTA. `gpu.dynamic_shared_memory` would become
/// a static variable of one byte without alignment.
constexpr llvm::StringLiteral kSharedMemorySymbol = "shared_memory";

/// What a parameter is.
enum class Access {
  /// A pointer to what the whole grid only reads and nothing aliases: its
  /// loads go through the read-only path.
  ReadOnly,
  /// A pointer to what is written.
  ReadWrite,
  /// An i32.
  Scalar,
  /// A tensor map, as a generic pointer: one of the launch's boxes.
  TensorMap
};

using KernelBody =
    llvm::function_ref<void(KernelBuilder &k, const Vals &parameters)>;

/// Adds the kernel of `launch` to the target's module, unless one of that name
/// is there already.
void addKernel(mlir::OpBuilder &builder, const KernelTarget &target,
               const KernelLaunch &launch, llvm::ArrayRef<Access> parameters,
               KernelBody body);

/// The address of `numbers`, f64, which are constants of the target's module
/// called `name`.
Val addConstants(KernelBuilder &k, const KernelTarget &target,
                 llvm::StringRef name, llvm::ArrayRef<double> numbers);

/// The address of `count` i32 of the target's module called `name`, which are 0
/// when it is loaded and stay between launches.
Val addCounters(KernelBuilder &k, const KernelTarget &target,
                llvm::StringRef name, int64_t count);

/// The bits of `number` as an f32, for the names of kernels: no two numbers
/// have the same.
std::string bitsOf(double number);

/// A value of the step's table.
Val loadStep(KernelBuilder &k, Val step, StepField field);

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_KERNELFUNCTION_H
