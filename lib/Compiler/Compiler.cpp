// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Drives the pipelines and collects what they make.

#include "flow/Compiler/Compiler.h"

#include "PlanBuilder.h"
#include "flow/Pipelines/Pipelines.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Threading.h"
#include "mlir/IR/Verifier.h"

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

/// One step on its way through the phases. Errors of its passes are for the
/// `ErrorCollector` of whoever runs them.
class StepCompilation {
public:
  StepCompilation(ModuleOp recipe, StringRef step, const CpuTarget &target,
                  const CompileOptions &options)
      : module(recipe.clone()), target(target), options(options) {
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

  /// Makes the pass manager of the phase that `build` builds. The dialects that
  /// it needs are loaded, so that running it leaves the context as it is.
  using Build = void (*)(OpPassManager &, const PipelineOptions &);
  llvm::Error prepare(Build build) {
    MLIRContext *context = module->getContext();
    PassManager &passes =
        *phases.emplace_back(std::make_unique<PassManager>(context));
    // After each pass it would take a third of the passes' time.
    passes.enableVerifier(false);
    if (options.configurePasses)
      if (llvm::Error error = options.configurePasses(passes))
        return error;
    build(passes, passOptions);
    DialectRegistry dialects;
    passes.getDependentDialects(dialects);
    context->appendDialectRegistry(dialects);
    for (StringRef name : dialects.getDialectNames())
      context->getOrLoadDialect(name);
    return llvm::Error::success();
  }

  /// Runs what has been prepared since it was last called, and verifies what
  /// each phase leaves.
  LogicalResult run() {
    while (finished < phases.size())
      if (failed(phases[finished++]->run(*module)) || failed(verify(*module)))
        return failure();
    return success();
  }

  LogicalResult addTo(PlanBuilder &plan) {
    auto schedule = module->lookupSymbol<func::FuncOp>(passOptions.step);
    return plan.addSchedule(*module, schedule, passOptions.step, logitsAll);
  }

  llvm::Expected<std::string> generate(CodeKind kind) {
    return generateCode(*module, target, kind);
  }

  std::string print() {
    std::string text;
    llvm::raw_string_ostream(text) << *module << '\n';
    return text;
  }

private:
  OwningOpRef<ModuleOp> module;
  const CpuTarget &target;
  const CompileOptions &options;
  PipelineOptions passOptions;
  /// Each sequence of a batch has a last row, which the runtime picks, and each
  /// row of a draft judges the next.
  bool logitsAll;
  /// They live as long as the step: their reports come when they go, which is
  /// in one thread.
  SmallVector<std::unique_ptr<PassManager>> phases;
  size_t finished = 0;
};

llvm::Expected<ModelOp> findModel(ModuleOp recipe) {
  SmallVector<ModelOp> models(recipe.getOps<ModelOp>());
  if (models.size() != 1)
    return llvm::createStringError("a recipe holds one flow.model, found " +
                                   llvm::Twine(models.size()));
  return models.front();
}

/// The steps of a recipe as stages, and the plan that they make.
struct PlannedSteps {
  runtime::Plan plan;
  std::vector<std::unique_ptr<StepCompilation>> steps;
};

llvm::Expected<PlannedSteps> planSteps(ModuleOp recipe, const CpuTarget &target,
                                       const CompileOptions &options) {
  llvm::Expected<ModelOp> model = findModel(recipe);
  if (!model)
    return model.takeError();
  int64_t positions = model->getHyper().getPositions();
  if (options.context > positions)
    return llvm::createStringError(
        "a context of " + llvm::Twine(options.context) +
        " positions is more than the model's " + llvm::Twine(positions));
  PlanBuilder builder(*model);
  SmallVector<StringRef> names{"prefill", "decode"};
  if (options.batch)
    names.append({"batch", "batch_decode"});
  if (options.verify)
    names.push_back("verify");
  PlannedSteps planned;
  ErrorCollector collector(recipe.getContext());
  for (StringRef name : names) {
    StepCompilation &step = *planned.steps.emplace_back(
        std::make_unique<StepCompilation>(recipe, name, target, options));
    if (llvm::Error error = step.prepare(buildStagesPipeline))
      return error;
    if (failed(step.run()) || failed(step.addTo(builder)))
      return collector.take();
  }
  planned.plan = builder.take();
  // The code may rely on there being no more: it drops windows that a shorter
  // context cannot reach.
  if (options.context != 0)
    planned.plan.context = options.context;
  return planned;
}

/// Compiles `steps` at the same time. The objects, and of several errors the
/// one that is returned, are the same with any number of threads.
llvm::Expected<std::vector<std::string>>
compileSteps(MLIRContext *context,
             ArrayRef<std::unique_ptr<StepCompilation>> steps) {
  for (const std::unique_ptr<StepCompilation> &step : steps)
    for (StepCompilation::Build build : {buildLinalgPipeline, buildCpuPipeline})
      if (llvm::Error error = step->prepare(build))
        return error;
  ErrorCollector collector(context);
  std::vector<std::string> objects(steps.size()), problems(steps.size());
  parallelFor(context, 0, steps.size(), [&](size_t i) {
    if (failed(steps[i]->run()))
      return;
    llvm::Expected<std::string> object = steps[i]->generate(CodeKind::Object);
    if (object)
      objects[i] = std::move(*object);
    else
      problems[i] = llvm::toString(object.takeError());
  });
  for (auto [object, problem] : llvm::zip(objects, problems)) {
    if (!problem.empty())
      return llvm::createStringError(problem);
    if (object.empty())
      return collector.take();
  }
  return objects;
}

} // namespace

llvm::Expected<runtime::Plan> flow::planModel(ModuleOp recipe,
                                              const CpuTarget &target,
                                              const CompileOptions &options) {
  llvm::Expected<PlannedSteps> planned = planSteps(recipe, target, options);
  if (!planned)
    return planned.takeError();
  return std::move(planned->plan);
}

llvm::Expected<Artifact> flow::compileModel(ModuleOp recipe,
                                            const CpuTarget &target,
                                            const CompileOptions &options) {
  llvm::Expected<PlannedSteps> planned = planSteps(recipe, target, options);
  if (!planned)
    return planned.takeError();
  llvm::Expected<std::vector<std::string>> objects =
      compileSteps(recipe.getContext(), planned->steps);
  if (!objects)
    return objects.takeError();
  Artifact artifact;
  artifact.triple = target.triple;
  artifact.cpu = target.cpu;
  artifact.features = target.features;
  artifact.plan = std::move(planned->plan);
  artifact.objects = std::move(*objects);
  return artifact;
}

llvm::Expected<std::string> flow::emitStep(ModuleOp recipe, StringRef step,
                                           EmitKind kind,
                                           const CpuTarget &target,
                                           const CompileOptions &options) {
  StepCompilation compilation(recipe, step, target, options);
  // Each phase, and the kind that is what it leaves.
  std::pair<EmitKind, StepCompilation::Build> phases[] = {
      {EmitKind::Flow, buildStagesPipeline},
      {EmitKind::Linalg, buildLinalgPipeline},
      {EmitKind::Llvm, buildCpuPipeline}};
  for (auto [result, build] : phases)
    if (kind >= result)
      if (llvm::Error error = compilation.prepare(build))
        return error;
  ErrorCollector collector(recipe.getContext());
  if (failed(compilation.run()))
    return collector.take();
  if (kind <= EmitKind::Llvm)
    return compilation.print();
  return compilation.generate(kind == EmitKind::Assembly ? CodeKind::Assembly
                                                         : CodeKind::Object);
}
