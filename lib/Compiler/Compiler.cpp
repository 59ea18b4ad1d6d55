// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Drives the pipelines and collects what they make.

#include "flow/Compiler/Compiler.h"

#include "StepCompilation.h"
#include "mlir/IR/Threading.h"

using namespace mlir;
using namespace flow;

namespace {

/// Adds what the passes need to know of `target`.
void describeTarget(const CpuTarget &target, PipelineOptions &options) {
  options.isa = target.getIsa().str();
  options.bf16 = target.bf16;
  options.amx = target.amx;
  options.avx512 = target.avx512;
}

/// The steps of a recipe as stages, and the plan that they make.
struct PlannedSteps {
  runtime::Plan plan;
  std::vector<std::unique_ptr<StepCompilation>> steps;
};

llvm::Expected<PlannedSteps> planSteps(ModuleOp recipe, const CpuTarget &target,
                                       const CompileOptions &options) {
  llvm::Expected<ModelOp> model = findModel(recipe, options.context);
  if (!model)
    return model.takeError();
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
        std::make_unique<StepCompilation>(recipe, name, options));
    describeTarget(target, step.passOptions());
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
compileSteps(MLIRContext *context, const CpuTarget &target,
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
    llvm::Expected<std::string> object =
        generateCode(steps[i]->module(), target, CodeKind::Object);
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
      compileSteps(recipe.getContext(), target, planned->steps);
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
  StepCompilation compilation(recipe, step, options);
  describeTarget(target, compilation.passOptions());
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
  return generateCode(compilation.module(), target,
                      kind == EmitKind::Assembly ? CodeKind::Assembly
                                                 : CodeKind::Object);
}
