// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model file made ready to run on a GPU, or on the emulator of one.

#ifndef FLOW_COMPILER_GPUMODEL_H
#define FLOW_COMPILER_GPUMODEL_H

#include "flow/Compiler/EmulatedDevice.h"
#include "flow/Compiler/LoadedModel.h"
#include "flow/Runtime/CudaDevice.h"
#include "flow/Runtime/DeviceModel.h"
#include "flow/Target/NvvmTarget.h"

namespace flow {

/// A model with kernels and weights on a device, real or emulated.
class GpuModel {
public:
  /// Loads the GGUF file or the Hugging Face folder at `path` with kernels for
  /// the architecture `chip`, to be emulated. Of `options` the CPU, the code
  /// cache and the weights of an artefact say nothing here.
  static llvm::Expected<std::unique_ptr<GpuModel>>
  loadEmulated(llvm::StringRef path, llvm::StringRef chip,
               const LoadOptions &options,
               const emulator::ProgramOptions &emulation);
  /// The same on the GPU that `driver` shows; see `runtime::CudaDevice`. An
  /// empty `chip` is the newest architecture that the GPU has and that is
  /// known. One that the GPU does not have is an error.
  static llvm::Expected<std::unique_ptr<GpuModel>>
  loadOnDevice(llvm::StringRef path, llvm::StringRef chip,
               const LoadOptions &options,
               const std::string &driver = runtime::CudaDevice::kDriver);

  const ImportedModel &imported() const { return source; }
  runtime::DeviceModel &model() { return *engine; }
  const LoadTimes &times() const { return loadTimes; }
  /// The name of the device, and the architecture that its kernels are for.
  const std::string &deviceName() const { return name; }
  const std::string &chip() const { return target.chip; }

private:
  GpuModel() = default;

  /// Gives the kernels in `ptx` to the device.
  using LoadKernels =
      llvm::function_ref<llvm::Error(llvm::ArrayRef<std::string> ptx)>;
  llvm::Error load(llvm::StringRef path, const LoadOptions &options,
                   LoadKernels loadKernels);

  ImportedModel source;
  NvvmTarget target;
  std::string name;
  std::unique_ptr<runtime::Device> device;
  std::unique_ptr<runtime::DeviceModel> engine;
  LoadTimes loadTimes;
};

} // namespace flow

#endif // FLOW_COMPILER_GPUMODEL_H
