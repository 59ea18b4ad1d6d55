// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The emulator as a device of the runtime.

#ifndef FLOW_COMPILER_EMULATEDDEVICE_H
#define FLOW_COMPILER_EMULATEDDEVICE_H

#include "flow/Emulator/Emulator.h"
#include "flow/Runtime/Device.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"

namespace flow {

/// What kernels in the emulator are told of a matrix. An error for one that a
/// GPU's driver would refuse.
Result<runtime::TensorMap> emulatedTensorMap(const runtime::MatrixBoxes &boxes);

/// Runs kernels on the CPU, in the memory of this process. Weights that are
/// placed on it stay where they are.
class EmulatedDevice : public runtime::Device {
public:
  /// Translates `images`, in PTX. Of a kernel that several of them have, the
  /// first counts. The blocks of a launch run on up to `threads` threads.
  static llvm::Expected<std::unique_ptr<EmulatedDevice>>
  create(llvm::ArrayRef<std::string> images,
         const emulator::ProgramOptions &options, int threads);

  Result<runtime::DeviceAddress> allocate(size_t bytes,
                                          const std::string &name) override;
  Result<runtime::DeviceAddress> place(const void *host, size_t bytes,
                                       const std::string &name) override;
  void free(runtime::DeviceAddress address) override;
  Result<runtime::TensorMap>
  tensorMap(const runtime::MatrixBoxes &boxes) override {
    return emulatedTensorMap(boxes);
  }
  Status upload(runtime::DeviceAddress to, const void *from,
                size_t bytes) override;
  Status download(void *to, runtime::DeviceAddress from, size_t bytes) override;
  Status launch(const runtime::DeviceLaunch &launch) override;

private:
  EmulatedDevice() = default;

  std::vector<std::unique_ptr<emulator::Program>> programs;
  llvm::StringMap<emulator::Program *> kernels;
  emulator::GlobalMemory memory;
  int threads = 1;
};

} // namespace flow

#endif // FLOW_COMPILER_EMULATEDDEVICE_H
