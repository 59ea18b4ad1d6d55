// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What some GPUs can do at most, as their makers say.

#ifndef FLOW_BENCHMARK_GPUDEVICES_H
#define FLOW_BENCHMARK_GPUDEVICES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace flow {

/// A GPU, by the figures of its data sheet. Rates are a second, of dense
/// operands; a multiplication and an addition are two operations.
struct GpuDevice {
  llvm::StringLiteral name;
  /// Its architecture, which code is generated for.
  llvm::StringLiteral chip;
  int64_t sms;
  /// The boost clock, in Hz, and bytes of memory a second.
  double clock, bandwidth;
  /// Operations of tensor cores on bf16 with sums in f32: by the instructions
  /// of the architecture that are fastest, and by `mma.sync`.
  double tensorRate, mmaRate;
  /// Operations of `mma.sync` on bytes.
  double byteRate;
  /// Multiply-adds of f32 that an SM begins in a cycle.
  int64_t floatLanes;
  /// Threads and CTAs that an SM holds.
  int64_t threadsOfSm, blocksOfSm;
};

/// Those that are known: A100, H100, B200, RTX4090, RTX5090.
/// docs/PerformanceGPU.md says where the figures are from.
llvm::ArrayRef<GpuDevice> gpuDevices();

/// The one called `name`, whatever its case. Another name is an error that
/// lists those that are known.
llvm::Expected<const GpuDevice *> findGpuDevice(llvm::StringRef name);

} // namespace flow

#endif // FLOW_BENCHMARK_GPUDEVICES_H
