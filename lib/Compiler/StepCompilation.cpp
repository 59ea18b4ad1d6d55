// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the phases of one step.

#include "StepCompilation.h"

#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace flow;

ErrorCollector::ErrorCollector(MLIRContext *context)
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

llvm::Error ErrorCollector::take() {
  return llvm::createStringError(message.empty() ? "compilation failed"
                                                 : message);
}

StepCompilation::StepCompilation(ModuleOp recipe, StringRef step,
                                 const CompileOptions &options)
    : stepModule(recipe.clone()), options(options) {
  logitsAll =
      options.logitsAll || step.starts_with("batch") || step == "verify";
  pipelineOptions.step = step.str();
  pipelineOptions.logits = logitsAll ? "all" : "last";
  pipelineOptions.topK = options.topK;
  pipelineOptions.numerics = options.numerics;
  pipelineOptions.cacheType = options.cacheType != "auto" ? options.cacheType
                              : options.numerics == "f32" ? "f32"
                                                          : "f16";
  pipelineOptions.context = options.context;
  pipelineOptions.chunk = options.chunk;
}

llvm::Error StepCompilation::prepare(Build build) {
  MLIRContext *context = stepModule->getContext();
  PassManager &passes =
      *phases.emplace_back(std::make_unique<PassManager>(context));
  // After each pass it would take a third of the passes' time.
  passes.enableVerifier(false);
  if (options.configurePasses)
    if (llvm::Error error = options.configurePasses(passes))
      return error;
  build(passes, pipelineOptions);
  DialectRegistry dialects;
  passes.getDependentDialects(dialects);
  context->appendDialectRegistry(dialects);
  for (StringRef name : dialects.getDialectNames())
    context->getOrLoadDialect(name);
  return llvm::Error::success();
}

LogicalResult StepCompilation::run() {
  while (finished < phases.size())
    if (failed(phases[finished++]->run(*stepModule)) ||
        failed(verify(*stepModule)))
      return failure();
  return success();
}

LogicalResult StepCompilation::addTo(PlanBuilder &plan) {
  auto schedule = stepModule->lookupSymbol<func::FuncOp>(pipelineOptions.step);
  return plan.addSchedule(*stepModule, schedule, pipelineOptions.step,
                          logitsAll);
}

std::string StepCompilation::print() {
  std::string text;
  llvm::raw_string_ostream(text) << *stepModule << '\n';
  return text;
}

llvm::Expected<ModelOp> flow::findModel(ModuleOp recipe, int64_t context) {
  SmallVector<ModelOp> models(recipe.getOps<ModelOp>());
  if (models.size() != 1)
    return llvm::createStringError("a recipe holds one flow.model, found " +
                                   llvm::Twine(models.size()));
  int64_t positions = models.front().getHyper().getPositions();
  if (context > positions)
    return llvm::createStringError("a context of " + llvm::Twine(context) +
                                   " positions is more than the model's " +
                                   llvm::Twine(positions));
  return models.front();
}
