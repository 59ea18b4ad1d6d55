// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Drives the pipelines and collects what they make.

#include "flow/Compiler/Compiler.h"

#include "PlanBuilder.h"
#include "flow/Pipelines/Pipelines.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace flow;

namespace {

/// Collects the first error of a context instead of printing it.
class ErrorCollector {
public:
  explicit ErrorCollector(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
            return failure();
          if (message.empty()) {
            llvm::raw_string_ostream out(message);
            if (!isa<UnknownLoc>(diagnostic.getLocation()))
              out << diagnostic.getLocation() << ": ";
            out << diagnostic;
          }
          return success();
        }) {}

  llvm::Error take() {
    return llvm::createStringError(message.empty() ? "compilation failed"
                                                   : message);
  }

private:
  std::string message;
  ScopedDiagnosticHandler handler;
};

/// One step on its way through the phases.
class StepCompilation {
public:
  StepCompilation(ModuleOp recipe, StringRef step, const CpuTarget &target,
                  const CompileOptions &options)
      : module(recipe.clone()), options(options),
        collector(recipe.getContext()) {
    passOptions.step = step.str();
    logitsAll =
        options.logitsAll || step.starts_with("batch") || step == "verify";
    passOptions.logits = logitsAll ? "all" : "last";
    passOptions.topK = options.topK;
    passOptions.numerics = options.numerics;
    passOptions.cacheType = options.cacheType != "auto" ? options.cacheType
                            : options.numerics == "f32" ? "f32"
                                                        : "f16";
    passOptions.context = options.context;
    passOptions.chunk = options.chunk;
    passOptions.isa = target.getIsa().str();
    passOptions.bf16 = target.bf16;
    passOptions.amx = target.amx;
    passOptions.avx512 = target.avx512;
  }

  using Build = void (*)(OpPassManager &, const PipelineOptions &);
  llvm::Error run(Build build) {
    PassManager passes(module->getContext());
    if (options.configurePasses)
      if (llvm::Error error = options.configurePasses(passes))
        return error;
    build(passes, passOptions);
    if (failed(passes.run(*module)))
      return collector.take();
    return llvm::Error::success();
  }

  llvm::Error addTo(PlanBuilder &plan) {
    auto schedule = module->lookupSymbol<func::FuncOp>(passOptions.step);
    if (failed(
            plan.addSchedule(*module, schedule, passOptions.step, logitsAll)))
      return collector.take();
    return llvm::Error::success();
  }

  ModuleOp get() { return *module; }

private:
  OwningOpRef<ModuleOp> module;
  const CompileOptions &options;
  PipelineOptions passOptions;
  /// Each sequence of a batch has a last row, which the runtime picks, and each
  /// row of a draft judges the next.
  bool logitsAll;
  ErrorCollector collector;
};

llvm::Expected<ModelOp> findModel(ModuleOp recipe) {
  SmallVector<ModelOp> models(recipe.getOps<ModelOp>());
  if (models.size() != 1)
    return llvm::createStringError("a recipe holds one flow.model, found " +
                                   llvm::Twine(models.size()));
  return models.front();
}

/// Plans the steps of `recipe`; `then` goes on with the compilation of each.
llvm::Expected<runtime::Plan>
planSteps(ModuleOp recipe, const CpuTarget &target,
          const CompileOptions &options,
          llvm::function_ref<llvm::Error(StepCompilation &)> then) {
  llvm::Expected<ModelOp> model = findModel(recipe);
  if (!model)
    return model.takeError();
  int64_t positions = model->getHyper().getPositions();
  if (options.context > positions)
    return llvm::createStringError(
        "a context of " + llvm::Twine(options.context) +
        " positions is more than the model's " + llvm::Twine(positions));
  PlanBuilder builder(*model);
  SmallVector<StringRef> steps{"prefill", "decode"};
  if (options.batch)
    steps.append({"batch", "batch_decode"});
  if (options.verify)
    steps.push_back("verify");
  for (StringRef step : steps) {
    StepCompilation compilation(recipe, step, target, options);
    if (llvm::Error error = compilation.run(buildStagesPipeline))
      return error;
    if (llvm::Error error = compilation.addTo(builder))
      return error;
    if (llvm::Error error = then(compilation))
      return error;
  }
  runtime::Plan plan = builder.take();
  // The code may rely on there being no more: it drops windows that a shorter
  // context cannot reach.
  if (options.context != 0)
    plan.context = options.context;
  return plan;
}

} // namespace

llvm::Expected<runtime::Plan> flow::planModel(ModuleOp recipe,
                                              const CpuTarget &target,
                                              const CompileOptions &options) {
  return planSteps(recipe, target, options,
                   [](StepCompilation &) { return llvm::Error::success(); });
}

llvm::Expected<Artifact> flow::compileModel(ModuleOp recipe,
                                            const CpuTarget &target,
                                            const CompileOptions &options) {
  Artifact artifact;
  artifact.triple = target.triple;
  artifact.cpu = target.cpu;
  artifact.features = target.features;
  auto generate = [&](StepCompilation &compilation) -> llvm::Error {
    if (llvm::Error error = compilation.run(buildLinalgPipeline))
      return error;
    if (llvm::Error error = compilation.run(buildCpuPipeline))
      return error;
    llvm::Expected<std::string> object =
        generateCode(compilation.get(), target, CodeKind::Object);
    if (!object)
      return object.takeError();
    artifact.objects.push_back(std::move(*object));
    return llvm::Error::success();
  };
  llvm::Expected<runtime::Plan> plan =
      planSteps(recipe, target, options, generate);
  if (!plan)
    return plan.takeError();
  artifact.plan = std::move(*plan);
  return artifact;
}

llvm::Expected<std::string> flow::emitStep(ModuleOp recipe, StringRef step,
                                           EmitKind kind,
                                           const CpuTarget &target,
                                           const CompileOptions &options) {
  StepCompilation compilation(recipe, step, target, options);
  auto print = [&] {
    std::string text;
    llvm::raw_string_ostream(text) << compilation.get() << '\n';
    return text;
  };
  if (kind == EmitKind::Recipe)
    return print();
  if (llvm::Error error = compilation.run(buildStagesPipeline))
    return error;
  if (kind == EmitKind::Flow)
    return print();
  if (llvm::Error error = compilation.run(buildLinalgPipeline))
    return error;
  if (kind == EmitKind::Linalg)
    return print();
  if (llvm::Error error = compilation.run(buildCpuPipeline))
    return error;
  if (kind == EmitKind::Llvm)
    return print();
  return generateCode(compilation.get(), target,
                      kind == EmitKind::Assembly ? CodeKind::Assembly
                                                 : CodeKind::Object);
}
