// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the runtime asks of a GPU, or of what stands in for one.

#ifndef FLOW_RUNTIME_DEVICE_H
#define FLOW_RUNTIME_DEVICE_H

#include "flow/Support/Result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace flow::runtime {

/// An address in a device's memory, as kernels see it.
using DeviceAddress = uint64_t;

/// A row-major matrix of bf16 in a device's memory, of which kernels fetch
/// boxes.
struct MatrixBoxes {
  /// A multiple of 16, and so are the bytes of a row.
  DeviceAddress address = 0;
  int64_t rows = 0, columns = 0;
  /// Rows of a box, up to 256, and its columns: 64, or 128 bytes.
  int64_t boxRows = 0, boxColumns = 0;
};

/// What a kernel is told of a matrix, by value: 128 bytes of the device's own.
/// The chunks of 16 bytes of a row lie in shared memory as the swizzle of 128
/// bytes says, and what is beyond the matrix comes as zeros.
struct alignas(64) TensorMap {
  std::array<unsigned char, 128> bytes{};
};

/// One launch of a kernel.
struct DeviceLaunch {
  std::string kernel;
  /// Blocks in each dimension, threads of a block, and its bytes of dynamic
  /// shared memory.
  std::array<uint32_t, 3> grid = {1, 1, 1};
  uint32_t threads = 1, sharedBytes = 0;
  /// The address of each parameter's value, in order: `DeviceAddress`, i32 or
  /// `TensorMap`.
  std::vector<const void *> parameters;
};

/// Launches that one call makes again. It must go before its device does.
class DeviceGraph {
public:
  virtual ~DeviceGraph() = default;

  /// Makes the launches in their order, as `Device::launch` does.
  virtual Status replay() = 0;
};

/// A device with the kernels of a model. Everything happens in the order in
/// which it is asked for. For one thread at a time.
class Device {
public:
  virtual ~Device() = default;

  /// Zeroed memory, aligned to 256 bytes. `name` is for errors.
  virtual Result<DeviceAddress> allocate(size_t bytes,
                                         const std::string &name) = 0;
  /// Memory with the `bytes` at `host`, which kernels only read. A device that
  /// shares the host's memory reads it there, so it must outlive the device.
  virtual Result<DeviceAddress> place(const void *host, size_t bytes,
                                      const std::string &name) = 0;
  /// Gives back what `allocate` or `place` gave.
  virtual void free(DeviceAddress address) = 0;
  /// Whether `place` copies, so that the memory at `host` may go afterwards.
  virtual bool placesCopies() const { return false; }

  /// The tensor map of a matrix. An error on a device without such copies,
  /// which is what there is unless a device says otherwise.
  virtual Result<TensorMap> tensorMap(const MatrixBoxes &) {
    return Error{"the device has no tensor maps"};
  }

  virtual Status upload(DeviceAddress to, const void *from, size_t bytes) = 0;
  /// Waits for what was asked for before.
  virtual Status download(void *to, DeviceAddress from, size_t bytes) = 0;
  /// Launches a kernel. What goes wrong in it may be the error of a later call.
  virtual Status launch(const DeviceLaunch &launch) = 0;
  /// Keeps `launches`, which are not made now, for as many replays as are
  /// wanted. The values of their parameters stay what they are now, and must
  /// stay in place as long as the graph: what changes from replay to replay is
  /// in the device's memory. A kernel must have been launched once before. A
  /// device that can do no better makes one launch after the other.
  virtual Result<std::unique_ptr<DeviceGraph>>
  record(std::vector<DeviceLaunch> launches);
};

} // namespace flow::runtime

#endif // FLOW_RUNTIME_DEVICE_H
