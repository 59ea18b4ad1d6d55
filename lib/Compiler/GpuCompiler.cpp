// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Drives the pipelines that end in PTX.

#include "flow/Compiler/GpuCompiler.h"

#include "StepCompilation.h"

using namespace mlir;
using namespace flow;

/// An error that names what `options` ask for and no kernel does.
static llvm::Error checkOptions(const CompileOptions &options) {
  if (options.numerics != "auto" && options.numerics != "bf16")
    return llvm::createStringError("numerics of a GPU are bf16, got " +
                                   options.numerics);
  if (options.cacheType != "auto" && options.cacheType != "bf16")
    return llvm::createStringError("caches of a GPU are of bf16, got " +
                                   options.cacheType);
  if (options.batch || options.verify)
    return llvm::createStringError(
        "a GPU takes tokens of one sequence that are certain");
  return llvm::Error::success();
}

/// `options` with what a GPU makes of `auto`.
static CompileOptions gpuOptions(CompileOptions options) {
  options.numerics = options.cacheType = "bf16";
  return options;
}

static void describeTarget(const NvvmTarget &target,
                           const CompileOptions &asked,
                           PipelineOptions &options) {
  options.bf16 = true;
  // Rows are of bf16 either way; weights are rounded only if that is asked for.
  options.weightBlocks = asked.numerics == "auto";
  options.shareLayers = false;
  options.sharedMemory = target.sharedMemoryLimit;
  options.warpgroups = target.hasWarpgroups;
}

/// The PTX of a step whose kernels have been lowered.
static llvm::Expected<std::string> ptxOf(ModuleOp module,
                                         const NvvmTarget &target) {
  SmallVector<gpu::GPUModuleOp> kernels(module.getOps<gpu::GPUModuleOp>());
  return generatePtx(kernels.front(), target);
}

llvm::Expected<GpuCode> flow::compileForGpu(ModuleOp recipe,
                                            const NvvmTarget &target,
                                            const CompileOptions &asked) {
  if (llvm::Error error = checkOptions(asked))
    return error;
  CompileOptions options = gpuOptions(asked);
  llvm::Expected<ModelOp> model = findModel(recipe, options.context);
  if (!model)
    return model.takeError();
  PlanBuilder builder(*model);
  GpuCode code;
  ErrorCollector collector(recipe.getContext());
  for (StringRef name : {"prefill", "decode"}) {
    StepCompilation step(recipe, name, options);
    describeTarget(target, asked, step.passOptions());
    for (StepCompilation::Build build : {buildStagesPipeline, buildGpuPipeline})
      if (llvm::Error error = step.prepare(build))
        return error;
    if (failed(step.run()) || failed(step.addTo(builder)))
      return collector.take();
    if (llvm::Error error = step.prepare(buildNvvmPipeline))
      return error;
    if (failed(step.run()))
      return collector.take();
    llvm::Expected<std::string> ptx = ptxOf(step.module(), target);
    if (!ptx)
      return ptx.takeError();
    code.ptx.push_back(std::move(*ptx));
  }
  code.plan = builder.take();
  // Tiles need no whole number of rows.
  code.plan.rowTile = 1;
  if (options.context != 0)
    code.plan.context = options.context;
  return code;
}

/// The path of a tool of CUDA's toolkit that `what` needs, if `found` is one.
static llvm::Expected<std::string>
requireTool(llvm::StringRef what, llvm::StringRef name, std::string found) {
  if (found.empty())
    return llvm::createStringError(what + " needs " + name +
                                   " of NVIDIA's CUDA toolkit, which is "
                                   "neither on PATH nor in CUDA_HOME");
  return found;
}

llvm::Expected<std::string> flow::emitGpuStep(ModuleOp recipe, StringRef name,
                                              GpuEmitKind kind,
                                              const NvvmTarget &target,
                                              const CompileOptions &asked) {
  if (llvm::Error error = checkOptions(asked))
    return error;
  CompileOptions options = gpuOptions(asked);
  StepCompilation step(recipe, name, options);
  describeTarget(target, asked, step.passOptions());
  std::pair<GpuEmitKind, StepCompilation::Build> phases[] = {
      {GpuEmitKind::Flow, buildStagesPipeline},
      {GpuEmitKind::Gpu, buildGpuPipeline},
      {GpuEmitKind::Nvvm, buildNvvmPipeline}};
  for (auto [result, build] : phases)
    if (kind >= result)
      if (llvm::Error error = step.prepare(build))
        return error;
  ErrorCollector collector(recipe.getContext());
  if (failed(step.run()))
    return collector.take();
  if (kind < GpuEmitKind::Ptx)
    return step.print();
  llvm::Expected<std::string> ptx = ptxOf(step.module(), target);
  if (!ptx || kind == GpuEmitKind::Ptx)
    return ptx;
  llvm::Expected<std::string> ptxas =
      requireTool("a cubin", "ptxas", findPtxas());
  if (!ptxas)
    return ptxas;
  llvm::Expected<AssembledPtx> assembled = assemblePtx(*ptx, target, *ptxas);
  if (!assembled)
    return assembled.takeError();
  return std::move(assembled->cubin);
}

llvm::Expected<std::string> flow::emitGpuFatbin(ModuleOp recipe, StringRef name,
                                                ArrayRef<NvvmTarget> targets,
                                                const CompileOptions &options) {
  llvm::Expected<std::string> ptxas =
      requireTool("a fatbin", "ptxas", findPtxas());
  if (!ptxas)
    return ptxas;
  llvm::Expected<std::string> fatbinary =
      requireTool("a fatbin", "fatbinary", findFatbinary());
  if (!fatbinary)
    return fatbinary;
  std::vector<FatbinImage> images;
  for (const NvvmTarget &target : targets) {
    llvm::Expected<std::string> ptx =
        emitGpuStep(recipe, name, GpuEmitKind::Ptx, target, options);
    if (!ptx)
      return ptx;
    llvm::Expected<AssembledPtx> assembled = assemblePtx(*ptx, target, *ptxas);
    if (!assembled)
      return assembled.takeError();
    images.push_back({std::move(assembled->cubin), target.chip, false});
    // The oldest serves most GPUs.
    if (images.size() == 1)
      images.push_back({std::move(*ptx), target.chip, true});
  }
  return buildFatbin(images, *fatbinary);
}
