// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The one seam that knows NVIDIA's targets: architectures, PTX, machine code.

#ifndef FLOW_TARGET_NVVMTARGET_H
#define FLOW_TARGET_NVVMTARGET_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace flow {

/// An architecture of NVIDIA's.
struct NvvmTarget {
  /// `sm_80` and so on.
  std::string chip;
  /// LLVM's feature string: the version of PTX.
  std::string features;
  /// Bytes of shared memory that a CTA may ask for, and that an SM has.
  int64_t sharedMemoryLimit = 0, sharedMemory = 0;
  /// Four warps multiply matrices in shared memory: wgmma. Such code runs on
  /// GPUs of this architecture and on no newer ones.
  bool hasWarpgroups = false;

  /// 80 of `sm_80`, 90 of `sm_90a`.
  int architecture() const;
};

/// The architectures that code is generated for, the oldest first.
llvm::ArrayRef<llvm::StringLiteral> nvvmChips();

/// The target called `chip`. An unknown name is an error that lists those that
/// are known.
llvm::Expected<NvvmTarget> resolveNvvmTarget(llvm::StringRef chip);

/// The targets in `list`, which has commas between them, the oldest first. They
/// are told of no more shared memory for a CTA than all of them have, and of
/// warpgroups if all have them, so that one plan launches the kernels of each.
/// A name that is unknown or comes twice is an error.
llvm::Expected<std::vector<NvvmTarget>>
resolveNvvmTargets(llvm::StringRef list);

/// The newest target whose PTX a GPU of `architecture`, 80 for sm_80, can run.
/// One that is older than all of them is an error.
llvm::Expected<NvvmTarget> nvvmTargetFor(int architecture);

/// PTX of the kernels in `module`, whose functions are of the LLVM dialect.
/// Nothing of CUDA's toolkit is needed; a call of something that the module
/// does not define is an error, since nobody would link it.
llvm::Expected<std::string> generatePtx(mlir::gpu::GPUModuleOp module,
                                        const NvvmTarget &target);

/// What ptxas says of a kernel.
struct KernelResources {
  std::string kernel;
  int64_t registers = 0;
  /// Bytes that are stored to and loaded from local memory for want of
  /// registers.
  int64_t spillStores = 0, spillLoads = 0;
  /// Bytes of static shared memory.
  int64_t staticShared = 0;
};

/// Machine code of one architecture.
struct AssembledPtx {
  std::string cubin;
  std::vector<KernelResources> kernels;
};

/// The path of ptxas: on PATH, in the toolkit that CUDA_HOME or CUDA_PATH
/// names, or, where neither is set, in /usr/local/cuda; empty where there is
/// none.
std::string findPtxas();
/// The same of fatbinary.
std::string findFatbinary();

/// Assembles `ptx` with the ptxas at `path`. What it complains of is the error.
llvm::Expected<AssembledPtx> assemblePtx(llvm::StringRef ptx,
                                         const NvvmTarget &target,
                                         llvm::StringRef path);

/// PTX or machine code for `chip`: `sm_80`.
struct FatbinImage {
  std::string bytes, chip;
  bool isPtx = false;
};

/// A fatbin with `images`, of which a driver takes the one that fits its GPU
/// best, made by the fatbinary at `path`. What it complains of is the error.
llvm::Expected<std::string> buildFatbin(llvm::ArrayRef<FatbinImage> images,
                                        llvm::StringRef path);

} // namespace flow

#endif // FLOW_TARGET_NVVMTARGET_H
