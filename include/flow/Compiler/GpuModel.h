// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model file made ready to run on a GPU, or on the emulator of one.

#ifndef FLOW_COMPILER_GPUMODEL_H
#define FLOW_COMPILER_GPUMODEL_H

#include "flow/Compiler/EmulatedDevice.h"
#include "flow/Compiler/LoadedModel.h"
#include "flow/Runtime/DeviceModel.h"

namespace flow {

/// A model with kernels and weights on an emulated device.
class GpuModel {
public:
  /// Loads the GGUF file or the Hugging Face folder at `path` for the
  /// architecture `chip`. Of `options` the CPU, the code cache and the weights
  /// of an artefact say nothing here.
  static llvm::Expected<std::unique_ptr<GpuModel>>
  load(llvm::StringRef path, llvm::StringRef chip, const LoadOptions &options,
       const emulator::ProgramOptions &emulation);

  const ImportedModel &imported() const { return source; }
  runtime::DeviceModel &model() { return *engine; }
  const LoadTimes &times() const { return loadTimes; }

private:
  GpuModel() = default;

  ImportedModel source;
  std::unique_ptr<EmulatedDevice> emulated;
  std::unique_ptr<runtime::DeviceModel> engine;
  LoadTimes loadTimes;
};

} // namespace flow

#endif // FLOW_COMPILER_GPUMODEL_H
