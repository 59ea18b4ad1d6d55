// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a recipe to kernels of a GPU and the plan of their launches.

#ifndef FLOW_COMPILER_GPUCOMPILER_H
#define FLOW_COMPILER_GPUCOMPILER_H

#include "flow/Compiler/Compiler.h"
#include "flow/Target/NvvmTarget.h"

namespace flow {

/// What a GPU runs: launches, and the kernels in PTX.
struct GpuCode {
  runtime::Plan plan;
  /// One image for each step. Kernels of one name are the same in each.
  std::vector<std::string> ptx;
};

/// Forms in which a compilation for a GPU can be looked at.
enum class GpuEmitKind { Flow, Gpu, Nvvm, Ptx, Cubin };

/// Compiles `recipe`, which is left as it is, for prefill and decode. Products
/// and caches are of bf16: options that ask for other arithmetic, another type
/// of caches, batches or drafts are errors.
llvm::Expected<GpuCode> compileForGpu(mlir::ModuleOp recipe,
                                      const NvvmTarget &target,
                                      const CompileOptions &options);

/// The compilation of one step, `prefill` or `decode`, as text or, for `Cubin`,
/// as bytes, which ptxas assembles; there not being one is an error.
llvm::Expected<std::string> emitGpuStep(mlir::ModuleOp recipe,
                                        llvm::StringRef step, GpuEmitKind kind,
                                        const NvvmTarget &target,
                                        const CompileOptions &options);

/// One step for all of `targets`, of which there is one at least, as a fatbin:
/// machine code of each, and PTX of the first for GPUs that are newer. The
/// toolkit's ptxas or fatbinary not being there is an error.
llvm::Expected<std::string> emitGpuFatbin(mlir::ModuleOp recipe,
                                          llvm::StringRef step,
                                          llvm::ArrayRef<NvvmTarget> targets,
                                          const CompileOptions &options);

} // namespace flow

#endif // FLOW_COMPILER_GPUCOMPILER_H
