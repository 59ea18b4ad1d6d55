// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the launches of a step cost a GPU, measured in the emulator.

#ifndef FLOW_BENCHMARK_GPUWORK_H
#define FLOW_BENCHMARK_GPUWORK_H

#include "flow/Compiler/GpuCompiler.h"

#include <memory>

namespace flow {

/// What the launches of one kernel by one number of CTAs do in a step, all of
/// them together.
struct LaunchWork {
  std::string kernel;
  int64_t launches = 0;
  /// Of one launch: its CTAs, and of a CTA the threads and the bytes of dynamic
  /// shared memory.
  int64_t blocks = 0, threads = 0, sharedBytes = 0;
  /// CTAs of a launch that were executed. The others are taken for the mean of
  /// these.
  int64_t executed = 0;
  /// Bytes of the distinct sectors of memory that a launch touches.
  double readBytes = 0, writtenBytes = 0;
  /// Multiplications and additions, each counted as one: of tensor cores on
  /// floats and on bytes, and of lanes on f32.
  double tensorOperations = 0, byteTensorOperations = 0, floatOperations = 0;
  /// Instructions of PTX that warps execute, those of them that are the special
  /// function unit's, and passes through the banks of shared memory.
  double instructions = 0, special = 0, sharedWavefronts = 0;

  /// Adds launches of the same kernel.
  LaunchWork &operator+=(const LaunchWork &other);
};

/// Which CTAs of a launch are executed: spread over the grid so that no pattern
/// of it repeats with them.
struct CtaSampling {
  /// As many at least; 0 = all.
  int64_t ctas = 64;
  /// More of them, until they have executed so many instructions. Small
  /// launches are executed as a whole: what chooses, as a router does, then has
  /// chosen for what comes behind it.
  int64_t instructions = 1000000;
};

/// Measures steps of a model without its weights.
///
/// Each launch of a step is executed, once for each kernel and number of CTAs,
/// with zeros for weights, keys and values: so a kernel that is new, or fused
/// with another, is measured as what it is. Of large grids some CTAs are
/// executed, evenly spread, and a piece of memory counts for no more than its
/// size. What depends on data is as zeros have it: every row chooses the same
/// experts.
class GpuStepMeter {
public:
  /// Translates the kernels of `code`, of which launches run on up to `threads`
  /// threads.
  static llvm::Expected<std::unique_ptr<GpuStepMeter>>
  create(const GpuCode &code, int threads);
  ~GpuStepMeter();

  /// A prefill of `rows` tokens behind `start` others, in one step, or, if
  /// `rows` is 0, the decoding of one token. Launches in their order. An error
  /// of a kernel, or a step that the plan has no room for, is an error.
  llvm::Expected<std::vector<LaunchWork>> measure(int64_t start, int64_t rows,
                                                  const CtaSampling &sampling);

private:
  class Meter;
  GpuStepMeter(const GpuCode &code, std::unique_ptr<Meter> meter);

  runtime::Plan plan;
  std::unique_ptr<Meter> meter;
};

} // namespace flow

#endif // FLOW_BENCHMARK_GPUWORK_H
