// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Brings file, kernels and device together.

#include "flow/Compiler/GpuModel.h"

#include "flow/Compiler/GpuCompiler.h"
#include "flow/Support/Stopwatch.h"

using namespace flow;

static llvm::Expected<GpuCode> compile(const ImportedModel &model,
                                       llvm::StringRef chip,
                                       const CompileOptions &options) {
  llvm::Expected<NvvmTarget> target = resolveNvvmTarget(chip);
  if (!target)
    return target.takeError();
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> recipe =
      buildRecipe(context, model);
  if (!recipe)
    return recipe.takeError();
  return compileForGpu(**recipe, *target, options);
}

llvm::Expected<std::unique_ptr<GpuModel>>
GpuModel::load(llvm::StringRef path, llvm::StringRef chip,
               const LoadOptions &options,
               const emulator::ProgramOptions &emulation) {
  auto progress = [&](llvm::StringRef what) {
    if (options.progress)
      options.progress(what);
  };
  std::unique_ptr<GpuModel> loaded(new GpuModel);
  progress("reading");
  Stopwatch reading;
  llvm::Expected<ImportedModel> imported = importModel(path);
  if (!imported)
    return imported.takeError();
  loaded->source = std::move(*imported);
  loaded->loadTimes.load = reading.seconds();
  CompileOptions compileOptions = options.compile;
  if (options.onImport)
    if (llvm::Error error = options.onImport(loaded->source, compileOptions))
      return std::move(error);

  progress("compiling");
  Stopwatch compiling;
  llvm::Expected<GpuCode> code = compile(loaded->source, chip, compileOptions);
  if (!code)
    return code.takeError();
  llvm::Expected<std::unique_ptr<EmulatedDevice>> device =
      EmulatedDevice::create(code->ptx, emulation, options.threads);
  if (!device)
    return device.takeError();
  loaded->emulated = std::move(*device);
  loaded->loadTimes.compile = compiling.seconds();

  progress("packing weights");
  Stopwatch packing;
  runtime::EngineOptions engineOptions;
  engineOptions.threads = options.threads;
  engineOptions.context = resolveContext(options.context, code->plan.context);
  engineOptions.prefillChunk = options.prefillChunk;
  Result<std::unique_ptr<runtime::DeviceModel>> engine =
      runtime::DeviceModel::create(std::move(code->plan), *loaded->emulated,
                                   tensorsOf(*loaded->source.file),
                                   engineOptions);
  if (!engine)
    return llvm::createStringError(engine.error());
  loaded->engine = std::move(*engine);
  loaded->loadTimes.pack = packing.seconds();
  progress("");
  return loaded;
}
