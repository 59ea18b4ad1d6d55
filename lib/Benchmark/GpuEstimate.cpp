// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From what launches do to how long that takes.

#include "flow/Benchmark/GpuEstimate.h"

#include "flow/Compiler/LoadedModel.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>

using namespace flow;

llvm::StringRef flow::nameOf(GpuLimit limit) {
  constexpr llvm::StringLiteral names[] = {"memory",  "tensor", "float",
                                           "special", "issue",  "shared"};
  return names[static_cast<size_t>(limit)];
}

std::string GpuTest::name() const {
  std::string name = prompt != 0 ? "pp" + std::to_string(prompt)
                                 : "tg" + std::to_string(generate);
  return depth == 0 ? name : name + " @ d" + std::to_string(depth);
}

double GpuTestEstimate::boundSeconds() const {
  double seconds = 0;
  for (const LaunchEstimate &launch : launches)
    seconds += launch.boundSeconds;
  return seconds;
}

double GpuTestEstimate::expectedSeconds() const {
  double seconds = 0;
  for (const LaunchEstimate &launch : launches)
    seconds += launch.expectedSeconds;
  return seconds;
}

int64_t flow::blocksOfSm(const GpuDevice &device, int64_t sharedMemory,
                         int64_t threads, int64_t registers,
                         int64_t sharedBytes) {
  // A warp gets registers in pieces of 256, a CTA a kilobyte of shared memory
  // for the driver.
  constexpr int64_t kRegisters = 65536, kPiece = 256, kWarp = 32,
                    kDriver = 1024;
  int64_t warps = llvm::divideCeil(threads, kWarp);
  int64_t blocks =
      std::min(device.blocksOfSm, device.threadsOfSm / (warps * kWarp));
  blocks = std::min(blocks, sharedMemory / (sharedBytes + kDriver));
  if (registers != 0) {
    int64_t ofWarp = static_cast<int64_t>(
        llvm::alignTo(static_cast<uint64_t>(registers * kWarp), kPiece));
    blocks = std::min(blocks, kRegisters / ofWarp / warps);
  }
  return blocks;
}

LaunchEstimate flow::estimate(const GpuDevice &device, const LaunchWork &work,
                              const KernelCode &code) {
  // An SM works in cycles of its own: it starts four warps' instructions, 16
  // lanes of the special function unit, and serves 32 banks.
  constexpr double kWarp = 32, kSchedulers = 4, kSpecialLanes = 16;
  auto sms = static_cast<double>(device.sms);
  double cycles = sms * device.clock;
  // The SM with the most CTAs is the last to finish.
  double fullest = std::ceil(static_cast<double>(work.blocks) / sms) * sms /
                   static_cast<double>(work.blocks);
  double tensorRate = code.hasWarpGroups ? device.tensorRate : device.mmaRate;
  std::pair<GpuLimit, double> parts[] = {
      {GpuLimit::Memory,
       (work.readBytes + work.writtenBytes) / device.bandwidth},
      {GpuLimit::Tensor,
       fullest * (work.tensorOperations / tensorRate +
                  work.byteTensorOperations / device.byteRate)},
      {GpuLimit::Float,
       fullest * work.floatOperations /
           (2 * cycles * static_cast<double>(device.floatLanes))},
      {GpuLimit::Special,
       fullest * work.special * kWarp / (cycles * kSpecialLanes)},
      {GpuLimit::Issue, fullest * work.instructions / (cycles * kSchedulers)},
      {GpuLimit::Shared, fullest * work.sharedWavefronts / cycles}};
  LaunchEstimate result;
  result.work = work;
  result.code = code;
  for (auto [limit, seconds] : parts) {
    if (seconds > result.boundSeconds) {
      result.boundSeconds = seconds;
      result.limit = limit;
    }
    result.expectedSeconds = std::max(
        result.expectedSeconds,
        seconds / (limit == GpuLimit::Memory ? kMemoryShare : kComputeShare));
  }
  result.expectedSeconds += kLaunchSeconds * static_cast<double>(work.launches);
  return result;
}

namespace {

/// What the kernels of `code` are for `target`.
llvm::Expected<llvm::StringMap<KernelCode>>
describeKernels(const GpuCode &code, const NvvmTarget &target,
                const std::string &ptxas) {
  llvm::StringMap<KernelCode> kernels;
  for (const std::string &ptx : code.ptx) {
    for (const KernelInstructions &kernel : readPtxInstructions(ptx)) {
      kernels[kernel.kernel].loop = kernel.loop;
      kernels[kernel.kernel].hasWarpGroups = kernel.hasWarpGroups;
    }
    if (ptxas.empty())
      continue;
    llvm::Expected<AssembledPtx> assembled = assemblePtx(ptx, target, ptxas);
    if (!assembled)
      return assembled.takeError();
    auto machine = readMachineInstructions(assembled->cubin, target);
    if (!machine)
      return machine.takeError();
    for (const KernelInstructions &kernel : *machine)
      kernels[kernel.kernel].loop = kernel.loop;
    for (const KernelResources &kernel : assembled->kernels)
      kernels[kernel.kernel].resources = kernel;
  }
  return kernels;
}

/// Adds `launch` to those that are equal to it, or behind them.
void add(std::vector<LaunchEstimate> &launches, const LaunchEstimate &launch) {
  auto known = llvm::find_if(launches, [&](const LaunchEstimate &other) {
    return other.work.kernel == launch.work.kernel &&
           other.work.blocks == launch.work.blocks;
  });
  if (known == launches.end()) {
    launches.push_back(launch);
    return;
  }
  known->work += launch.work;
  known->boundSeconds += launch.boundSeconds;
  known->expectedSeconds += launch.expectedSeconds;
}

class Estimator {
public:
  Estimator(const GpuEstimateOptions &options, mlir::ModuleOp recipe)
      : options(options), recipe(recipe), ptxas(findPtxas()) {}

  llvm::Expected<GpuDeviceEstimate> run(const GpuDevice &device) {
    llvm::Expected<NvvmTarget> target = resolveNvvmTarget(device.chip);
    if (!target)
      return target.takeError();
    say("compiling for", device);
    llvm::Expected<GpuCode> code =
        compileForGpu(recipe, *target, options.compile);
    if (!code)
      return code.takeError();
    llvm::Expected<llvm::StringMap<KernelCode>> kernels =
        describeKernels(*code, *target, ptxas);
    if (!kernels)
      return kernels.takeError();
    say("translating for", device);
    llvm::Expected<std::unique_ptr<GpuStepMeter>> meter =
        GpuStepMeter::create(*code, options.threads);
    if (!meter)
      return meter.takeError();
    GpuDeviceEstimate result;
    result.device = &device;
    for (const GpuTest &test : options.tests) {
      say(test.name() + " of", device);
      GpuTestEstimate &estimated = result.tests.emplace_back();
      estimated.test = test;
      int64_t end = test.depth + test.tokens();
      for (int64_t start = test.depth; start != end;) {
        int64_t rows =
            test.prompt == 0 ? 0 : std::min(options.chunk, end - start);
        llvm::Expected<std::vector<LaunchWork>> works =
            (*meter)->measure(start, rows, options.sampling);
        if (!works)
          return works.takeError();
        for (const LaunchWork &work : *works)
          add(estimated.launches,
              place(device, *target, work, kernels->lookup(work.kernel)));
        start += std::max<int64_t>(rows, 1);
      }
    }
    return result;
  }

private:
  void say(const llvm::Twine &what, const GpuDevice &device) {
    if (options.progress)
      options.progress((what + " " + device.name).str());
  }

  /// The estimate with what an SM holds.
  static LaunchEstimate place(const GpuDevice &device, const NvvmTarget &target,
                              const LaunchWork &work, const KernelCode &code) {
    LaunchEstimate launch = estimate(device, work, code);
    int64_t registers = code.resources ? code.resources->registers : 0;
    int64_t fixed = code.resources ? code.resources->staticShared : 0;
    launch.blocksOfSm = blocksOfSm(device, target.sharedMemory, work.threads,
                                   registers, work.sharedBytes + fixed);
    return launch;
  }

  const GpuEstimateOptions &options;
  mlir::ModuleOp recipe;
  std::string ptxas;
};

} // namespace

llvm::Expected<std::vector<GpuDeviceEstimate>>
flow::estimateModel(llvm::StringRef path, const GpuEstimateOptions &options) {
  llvm::Expected<ImportedModel> model =
      isConfiguration(path) ? importConfiguration(path) : importModel(path);
  if (!model)
    return model.takeError();
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> recipe =
      buildRecipe(context, *model);
  if (!recipe)
    return recipe.takeError();
  Estimator estimator(options, **recipe);
  std::vector<GpuDeviceEstimate> estimates;
  for (const GpuDevice *device : options.devices) {
    llvm::Expected<GpuDeviceEstimate> estimated = estimator.run(*device);
    if (!estimated)
      return estimated.takeError();
    estimates.push_back(std::move(*estimated));
  }
  if (options.progress)
    options.progress("");
  return estimates;
}
