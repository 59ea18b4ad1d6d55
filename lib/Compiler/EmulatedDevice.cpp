// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gives the runtime's requests to the emulator.

#include "flow/Compiler/EmulatedDevice.h"

#include "flow/Emulator/TensorMap.h"

#include <cstring>

using namespace flow;
using runtime::DeviceAddress;

static Error toError(llvm::Error error) {
  return Error{llvm::toString(std::move(error))};
}

static void *pointerTo(DeviceAddress address) {
  return reinterpret_cast<void *>(static_cast<uintptr_t>(address));
}

static DeviceAddress addressOf(const void *pointer) {
  return static_cast<DeviceAddress>(reinterpret_cast<uintptr_t>(pointer));
}

llvm::Expected<std::unique_ptr<EmulatedDevice>>
EmulatedDevice::create(llvm::ArrayRef<std::string> images,
                       const emulator::ProgramOptions &options, int threads) {
  std::unique_ptr<EmulatedDevice> device(new EmulatedDevice);
  device->threads = threads;
  for (const std::string &image : images) {
    llvm::Expected<std::unique_ptr<emulator::Program>> program =
        emulator::Program::create(image, options);
    if (!program)
      return program.takeError();
    for (const std::string &kernel : (*program)->kernels())
      device->kernels.try_emplace(kernel, program->get());
    device->programs.push_back(std::move(*program));
  }
  return device;
}

Result<DeviceAddress> EmulatedDevice::allocate(size_t bytes,
                                               const std::string &name) {
  llvm::Expected<void *> pointer = memory.allocate(bytes, name);
  if (!pointer)
    return toError(pointer.takeError());
  return addressOf(*pointer);
}

Result<DeviceAddress> EmulatedDevice::place(const void *host, size_t bytes,
                                            const std::string &name) {
  if (llvm::Error error = memory.add(host, bytes, name))
    return toError(std::move(error));
  return addressOf(host);
}

void EmulatedDevice::free(DeviceAddress address) {
  memory.free(pointerTo(address));
}

Result<runtime::TensorMap>
flow::emulatedTensorMap(const runtime::MatrixBoxes &boxes) {
  emulator::MatrixMap map;
  map.address = boxes.address;
  map.rows = boxes.rows;
  map.columns = boxes.columns;
  map.elementBytes = sizeof(uint16_t);
  map.rowBytes = map.columns * map.elementBytes;
  map.boxRows = boxes.boxRows;
  map.boxColumns = boxes.boxColumns;
  map.swizzle = emulator::Swizzle::Bytes128;
  llvm::Expected<emulator::TensorMapBytes> bytes =
      emulator::encodeTensorMap(map);
  if (!bytes)
    return toError(bytes.takeError());
  return runtime::TensorMap{*bytes};
}

Status EmulatedDevice::upload(DeviceAddress to, const void *from,
                              size_t bytes) {
  std::memcpy(pointerTo(to), from, bytes);
  return {};
}

Status EmulatedDevice::download(void *to, DeviceAddress from, size_t bytes) {
  std::memcpy(to, pointerTo(from), bytes);
  return {};
}

Status EmulatedDevice::launch(const runtime::DeviceLaunch &launch) {
  emulator::Program *program = kernels.lookup(launch.kernel);
  if (!program)
    return Error{"no image has a kernel '" + launch.kernel + "'"};
  emulator::Launch emulated;
  emulated.kernel = launch.kernel;
  emulated.grid = {launch.grid[0], launch.grid[1], launch.grid[2]};
  emulated.block = {launch.threads, 1, 1};
  emulated.sharedBytes = launch.sharedBytes;
  emulated.parameters = launch.parameters;
  llvm::Expected<emulator::Counters> counters =
      program->launch(emulated, memory, threads);
  if (!counters)
    return toError(counters.takeError());
  return {};
}
