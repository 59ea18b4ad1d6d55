// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counts the instructions of kernels, in PTX and in machine code.

#ifndef FLOW_TARGET_GPUINSTRUCTIONS_H
#define FLOW_TARGET_GPUINSTRUCTIONS_H

#include "flow/Target/NvvmTarget.h"

#include <array>

namespace flow {

/// Kinds of instructions: products of tensor cores, `ldmatrix`, copies from
/// global to shared memory that run by themselves, other accesses of shared and
/// of global memory, the special function unit's, sums and products of f32,
/// barriers of a CTA, and all others.
enum class GpuInstruction {
  Tensor,
  MatrixLoad,
  AsyncCopy,
  Shared,
  Global,
  Special,
  Float,
  Barrier,
  Other
};
constexpr size_t kGpuInstructions = 9;

/// `tensor`, `ldmatrix` and so on.
llvm::StringRef nameOf(GpuInstruction kind);

/// How many there are of each kind.
struct InstructionMix {
  std::array<int64_t, kGpuInstructions> counts{};

  int64_t &operator[](GpuInstruction kind) {
    return counts[static_cast<size_t>(kind)];
  }
  int64_t operator[](GpuInstruction kind) const {
    return counts[static_cast<size_t>(kind)];
  }
  int64_t total() const;
};

/// A kernel's text, each instruction once.
struct KernelInstructions {
  std::string kernel;
  InstructionMix all;
  /// Of one turn of the main loop: the one with the most products of tensor
  /// cores, then with the most sums, products and accesses of global memory, of
  /// several such the shortest. Nothing where there is no loop.
  InstructionMix loop;
  /// In PTX: it multiplies by wgmma or tcgen05.
  bool hasWarpGroups = false;
};

/// The kernels of `ptx`, in its order. Declarations, labels and the parameters'
/// loads are no instructions.
std::vector<KernelInstructions> readPtxInstructions(llvm::StringRef ptx);

/// The kernels of `cubin`, which ptxas made for `target`. Instructions that no
/// guard lets happen, which fill up the end, do not count. What is no ELF image
/// is an error.
llvm::Expected<std::vector<KernelInstructions>>
readMachineInstructions(llvm::StringRef cubin, const NvvmTarget &target);

} // namespace flow

#endif // FLOW_TARGET_GPUINSTRUCTIONS_H
