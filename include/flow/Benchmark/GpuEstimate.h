// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How long a GPU takes for a model at least, and how long it is thought to.

#ifndef FLOW_BENCHMARK_GPUESTIMATE_H
#define FLOW_BENCHMARK_GPUESTIMATE_H

#include "flow/Benchmark/GpuDevices.h"
#include "flow/Benchmark/GpuWork.h"
#include "flow/Target/GpuInstructions.h"

#include <functional>
#include <optional>

namespace flow {

/// What takes a launch the longest.
enum class GpuLimit { Memory, Tensor, Float, Special, Issue, Shared };

/// `memory`, `tensor` and so on.
llvm::StringRef nameOf(GpuLimit limit);

/// A kernel as it is for an architecture.
struct KernelCode {
  /// Nothing where there is no ptxas.
  std::optional<KernelResources> resources;
  /// Of a turn of its main loop: machine code, or PTX where there is no ptxas.
  InstructionMix loop;
  /// It multiplies by the instructions of its architecture that are fastest.
  bool hasWarpGroups = false;
};

/// Launches of one kernel in a step.
struct LaunchEstimate {
  LaunchWork work;
  KernelCode code;
  /// CTAs that an SM holds; without resources, as far as threads and shared
  /// memory say.
  int64_t blocksOfSm = 0;
  /// Of all launches: what the data sheet allows, what is thought to be
  /// reached, and which figure of the data sheet it is.
  double boundSeconds = 0, expectedSeconds = 0;
  GpuLimit limit = GpuLimit::Memory;
};

/// The part of a data sheet's figures that a kernel is thought to reach, and
/// what a launch takes by itself; docs/PerformanceGPU.md says why.
constexpr double kMemoryShare = 0.85, kComputeShare = 0.7,
                 kLaunchSeconds = 2e-6;

/// CTAs of `threads` threads that an SM of `device` holds, given the registers
/// of a thread and the bytes of shared memory of a CTA, or 0 if none.
int64_t blocksOfSm(const GpuDevice &device, int64_t sharedMemory,
                   int64_t threads, int64_t registers, int64_t sharedBytes);

/// The time of `work` on `device`: bound, expected and limit.
LaunchEstimate estimate(const GpuDevice &device, const LaunchWork &work,
                        const KernelCode &code);

/// Tokens that a model reads or writes.
struct GpuTest {
  /// One of them is 0: tokens of a prompt, or 1 for a token that is generated.
  int64_t prompt = 0, generate = 0;
  /// Tokens before them.
  int64_t depth = 0;

  /// `pp512`, `tg1 @ d4096`.
  std::string name() const;
  int64_t tokens() const { return prompt + generate; }
};

struct GpuTestEstimate {
  GpuTest test;
  /// Launches of all steps of the test, equal ones together.
  std::vector<LaunchEstimate> launches;

  double boundSeconds() const;
  double expectedSeconds() const;
};

struct GpuDeviceEstimate {
  const GpuDevice *device = nullptr;
  std::vector<GpuTestEstimate> tests;
};

/// What is to be estimated.
struct GpuEstimateOptions {
  std::vector<const GpuDevice *> devices;
  std::vector<GpuTest> tests;
  /// Tokens of a prefill step at most.
  int64_t chunk = 512;
  /// Threads of the emulator.
  int threads = 1;
  CtaSampling sampling;
  CompileOptions compile;
  /// Told, in a few words, what happens now; may be empty.
  std::function<void(llvm::StringRef)> progress;
};

/// Estimates the model file, folder or configuration at `path`. Its weights are
/// not read.
llvm::Expected<std::vector<GpuDeviceEstimate>>
estimateModel(llvm::StringRef path, const GpuEstimateOptions &options);

} // namespace flow

#endif // FLOW_BENCHMARK_GPUESTIMATE_H
