// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of a test, from their builders to PTX and through the emulator.

#ifndef FLOW_TEST_UNIT_CODEGEN_GPU_KERNELMODULE_H
#define FLOW_TEST_UNIT_CODEGEN_GPU_KERNELMODULE_H

#include "flow/Codegen/GPU/Kernels.h"
#include "flow/Emulator/Emulator.h"
#include "flow/Emulator/TensorMap.h"
#include "flow/Target/NvvmTarget.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <deque>
#include <memory>

namespace flow {

/// A module of kernels in a context of its own.
class KernelModule {
public:
  /// For `chip`, which is known.
  explicit KernelModule(llvm::StringRef chip = "sm_80");
  ~KernelModule();

  mlir::OpBuilder &builder() { return *opBuilder; }
  cuda::KernelTarget target();
  const NvvmTarget &chip() const { return nvvm; }

  /// Lowers the kernels that were added, once, and returns their PTX. A failure
  /// is one of the test, and the PTX is empty.
  const std::string &ptx();
  /// That PTX in the emulator; null after a failure.
  emulator::Program *program();

private:
  NvvmTarget nvvm;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<mlir::OpBuilder> opBuilder;
  mlir::gpu::GPUModuleOp kernels;
  std::string text;
  std::unique_ptr<emulator::Program> translated;
};

/// The arguments of one launch, in the memory that it may touch.
class KernelArguments {
public:
  /// A copy of `values`, which the kernel only reads.
  template <typename T> KernelArguments &input(const std::vector<T> &values) {
    add(values.data(), sizeof(T) * values.size(), nullptr);
    return *this;
  }
  /// A copy of `values` that the kernel may write, and that they become when it
  /// has run.
  template <typename T> KernelArguments &output(std::vector<T> &values) {
    add(values.data(), sizeof(T) * values.size(), values.data());
    return *this;
  }
  /// A copy of rows of so many bf16, which the kernel fetches by `box`.
  KernelArguments &matrix(const std::vector<uint16_t> &values, int64_t columns,
                          const cuda::Box &box);
  /// The table of a step.
  KernelArguments &step(int32_t start, int32_t rows, int32_t spans = 0);
  KernelArguments &scalar(int32_t value);

private:
  friend llvm::Expected<emulator::Counters>
  runKernel(emulator::Program &program, const cuda::KernelLaunch &launch,
            int64_t rows, KernelArguments &arguments);

  struct Copy {
    void *device;
    void *host;
    size_t bytes;
  };
  void *place(const void *data, size_t bytes);
  void add(const void *data, size_t bytes, void *back);

  emulator::GlobalMemory memory;
  std::vector<const void *> parameters;
  /// What `parameters` point to.
  std::deque<const void *> pointers;
  std::deque<int32_t> scalars;
  std::deque<emulator::TensorMapBytes> maps;
  std::vector<Copy> outputs;
};

/// Runs a kernel of `program` for a step of so many rows.
llvm::Expected<emulator::Counters> runKernel(emulator::Program &program,
                                             const cuda::KernelLaunch &launch,
                                             int64_t rows,
                                             KernelArguments &arguments);

/// The same of a kernel of `module`. What goes wrong is a failure of the test.
emulator::Counters runKernel(KernelModule &module,
                             const cuda::KernelLaunch &launch, int64_t rows,
                             KernelArguments &arguments);

/// Numbers from -1 to 1 that look random, the same in each run; rounded to bf16
/// where they are bits of one.
std::vector<float> someFloats(size_t count, uint32_t seed);
std::vector<uint16_t> someBf16(size_t count, uint32_t seed);
/// Bits of a bf16 as a number.
float bf16ToFloat(uint16_t bits);
uint16_t floatToBf16(float value);

/// Bounds of roundings: half a unit in the last place of 1.
constexpr double kUnitF32 = 0x1p-24, kUnitBf16 = 0x1p-8;

} // namespace flow

#endif // FLOW_TEST_UNIT_CODEGEN_GPU_KERNELMODULE_H
