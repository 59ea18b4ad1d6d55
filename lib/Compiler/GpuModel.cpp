// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Brings file, kernels and device together.

#include "flow/Compiler/GpuModel.h"

#include "flow/Compiler/GpuCompiler.h"
#include "flow/Support/Stopwatch.h"

using namespace flow;

static llvm::Error toError(const Status &status) {
  return status ? llvm::Error::success()
                : llvm::createStringError(status.error());
}

static llvm::Expected<GpuCode> compile(const ImportedModel &model,
                                       const NvvmTarget &target,
                                       const CompileOptions &options) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> recipe =
      buildRecipe(context, model);
  if (!recipe)
    return recipe.takeError();
  return compileForGpu(**recipe, target, options);
}

llvm::Error GpuModel::load(llvm::StringRef path, const LoadOptions &options,
                           LoadKernels loadKernels) {
  auto progress = [&](llvm::StringRef what) {
    if (options.progress)
      options.progress(what);
  };
  progress("reading");
  Stopwatch reading;
  llvm::Expected<ImportedModel> imported = importModel(path);
  if (!imported)
    return imported.takeError();
  source = std::move(*imported);
  loadTimes.load = reading.seconds();
  CompileOptions compileOptions = options.compile;
  if (options.onImport)
    if (llvm::Error error = options.onImport(source, compileOptions))
      return error;

  progress("compiling");
  Stopwatch compiling;
  llvm::Expected<GpuCode> code = compile(source, target, compileOptions);
  if (!code)
    return code.takeError();
  if (llvm::Error error = loadKernels(code->ptx))
    return error;
  loadTimes.compile = compiling.seconds();

  progress("packing weights");
  Stopwatch packing;
  runtime::EngineOptions engineOptions;
  engineOptions.threads = options.threads;
  engineOptions.context = resolveContext(options.context, code->plan.context);
  engineOptions.prefillChunk = options.prefillChunk;
  Result<std::unique_ptr<runtime::DeviceModel>> made =
      runtime::DeviceModel::create(std::move(code->plan), *device,
                                   tensorsOf(*source.file), engineOptions);
  if (!made)
    return llvm::createStringError(made.error());
  engine = std::move(*made);
  loadTimes.pack = packing.seconds();
  progress("");
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<GpuModel>>
GpuModel::loadEmulated(llvm::StringRef path, llvm::StringRef chip,
                       const LoadOptions &options,
                       const emulator::ProgramOptions &emulation) {
  std::unique_ptr<GpuModel> loaded(new GpuModel);
  llvm::Expected<NvvmTarget> target = resolveNvvmTarget(chip);
  if (!target)
    return target.takeError();
  loaded->target = std::move(*target);
  loaded->name = "emulator";
  auto loadKernels = [&](llvm::ArrayRef<std::string> ptx) -> llvm::Error {
    llvm::Expected<std::unique_ptr<EmulatedDevice>> device =
        EmulatedDevice::create(ptx, emulation, options.threads);
    if (!device)
      return device.takeError();
    loaded->device = std::move(*device);
    return llvm::Error::success();
  };
  if (llvm::Error error = loaded->load(path, options, loadKernels))
    return std::move(error);
  return loaded;
}

llvm::Expected<std::unique_ptr<GpuModel>>
GpuModel::loadOnDevice(llvm::StringRef path, llvm::StringRef chip,
                       const LoadOptions &options, const std::string &driver) {
  // The device first: without one there is nothing to compile for.
  Result<std::unique_ptr<runtime::CudaDevice>> opened =
      runtime::CudaDevice::open(driver);
  if (!opened)
    return llvm::createStringError(opened.error());
  runtime::CudaDevice &device = **opened;
  llvm::Expected<NvvmTarget> target = chip.empty()
                                          ? nvvmTargetFor(device.architecture())
                                          : resolveNvvmTarget(chip);
  if (!target)
    return target.takeError();
  if (llvm::Error error =
          toError(device.checkArchitecture(target->architecture())))
    return std::move(error);
  std::unique_ptr<GpuModel> loaded(new GpuModel);
  loaded->target = std::move(*target);
  loaded->name = device.name();
  loaded->device = std::move(*opened);
  auto loadKernels = [&](llvm::ArrayRef<std::string> ptx) -> llvm::Error {
    for (const std::string &image : ptx)
      if (llvm::Error error = toError(device.load(image)))
        return error;
    return llvm::Error::success();
  };
  if (llvm::Error error = loaded->load(path, options, loadKernels))
    return std::move(error);
  return loaded;
}
