// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A GPU of NVIDIA's as a device of the runtime.

#ifndef FLOW_RUNTIME_CUDADEVICE_H
#define FLOW_RUNTIME_CUDADEVICE_H

#include "flow/Runtime/Device.h"

namespace flow::runtime {

/// The first GPU that the CUDA driver shows, which CUDA_VISIBLE_DEVICES can
/// choose. The driver is loaded when a device is opened: nothing of CUDA is
/// needed to build, or where no device is opened. Calls leave the CUDA context
/// of their thread as it was. Graphs must go before the device.
class CudaDevice : public Device {
public:
  /// The driver as the system's loader finds it.
  static constexpr const char *kDriver = "libcuda.so.1";

  /// Opens the device, in its primary context, with the driver in the shared
  /// library `driver`. That there is no driver, that it lacks a function, or
  /// that there is no device are errors.
  static Result<std::unique_ptr<CudaDevice>>
  open(const std::string &driver = kDriver);
  ~CudaDevice() override;

  /// As the driver calls it.
  const std::string &name() const;
  /// 80 for sm_80, and so on.
  int architecture() const;
  /// An error that names both if kernels for `architecture` are too new.
  Status checkArchitecture(int architecture) const;

  /// Adds the kernels of `image`: PTX, a cubin or a fatbin. Of a kernel that
  /// several images have, the first counts. What the driver's compiler
  /// complains of is in the error.
  Status load(const std::string &image);

  Result<DeviceAddress> allocate(size_t bytes,
                                 const std::string &name) override;
  Result<DeviceAddress> place(const void *host, size_t bytes,
                              const std::string &name) override;
  void free(DeviceAddress address) override;
  bool placesCopies() const override { return true; }
  Result<TensorMap> tensorMap(const MatrixBoxes &boxes) override;
  Status upload(DeviceAddress to, const void *from, size_t bytes) override;
  Status download(void *to, DeviceAddress from, size_t bytes) override;
  Status launch(const DeviceLaunch &launch) override;
  Result<std::unique_ptr<DeviceGraph>>
  record(std::vector<DeviceLaunch> launches) override;

private:
  struct State;
  explicit CudaDevice(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace flow::runtime

#endif // FLOW_RUNTIME_CUDADEVICE_H
