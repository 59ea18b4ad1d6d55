// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The figures of data sheets.

#include "flow/Benchmark/GpuDevices.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace flow;

// On H100 mma.sync was measured at 0.62 of wgmma's rate. Nobody has published
// it for B200, which is taken for as many operations a cycle and SM as H100.
static constexpr GpuDevice kDevices[] = {
    {"A100", "sm_80", 108, 1.41e9, 2.039e12, 312e12, 312e12, 624e12, 64, 2048,
     32},
    {"H100", "sm_90a", 132, 1.98e9, 3.35e12, 989e12, 0.62 * 989e12,
     0.62 * 1979e12, 128, 2048, 32},
    {"B200", "sm_100", 148, 1.965e9, 8e12, 2250e12, 682e12, 1365e12, 128, 2048,
     32},
    {"RTX4090", "sm_89", 128, 2.52e9, 1.008e12, 165.2e12, 165.2e12, 660.6e12,
     128, 1536, 24},
    {"RTX5090", "sm_120", 170, 2.407e9, 1.792e12, 209.5e12, 209.5e12, 838e12,
     128, 1536, 24},
};

llvm::ArrayRef<GpuDevice> flow::gpuDevices() { return kDevices; }

llvm::Expected<const GpuDevice *> flow::findGpuDevice(llvm::StringRef name) {
  const GpuDevice *device = llvm::find_if(kDevices, [&](const GpuDevice &d) {
    return llvm::StringRef(d.name).equals_insensitive(name);
  });
  if (device != std::end(kDevices))
    return device;
  return llvm::createStringError(
      "'" + name + "' is no GPU that is known: " +
      llvm::join(llvm::map_range(kDevices,
                                 [](const GpuDevice &d) {
                                   return llvm::StringRef(d.name);
                                 }),
                 ", "));
}
