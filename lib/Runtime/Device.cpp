// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What every device can do with recorded launches.

#include "flow/Runtime/Device.h"

using namespace flow;
using namespace flow::runtime;

namespace {

/// Makes one launch after the other.
class LaunchList : public DeviceGraph {
public:
  LaunchList(Device &device, std::vector<DeviceLaunch> launches)
      : device(device), launches(std::move(launches)) {}

  Status replay() override {
    for (const DeviceLaunch &launch : launches)
      if (Status status = device.launch(launch); !status)
        return status;
    return {};
  }

private:
  Device &device;
  std::vector<DeviceLaunch> launches;
};

} // namespace

Result<std::unique_ptr<DeviceGraph>>
Device::record(std::vector<DeviceLaunch> launches) {
  return std::unique_ptr<DeviceGraph>(
      std::make_unique<LaunchList>(*this, std::move(launches)));
}
