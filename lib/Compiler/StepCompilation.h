// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One step of a recipe on its way through the phases of a compilation.

#ifndef FLOW_LIB_COMPILER_STEPCOMPILATION_H
#define FLOW_LIB_COMPILER_STEPCOMPILATION_H

#include "PlanBuilder.h"
#include "flow/Compiler/Compiler.h"
#include "flow/Pipelines/Pipelines.h"
#include "mlir/IR/Diagnostics.h"

namespace flow {

/// Collects the first error of a context instead of printing it.
class ErrorCollector {
public:
  explicit ErrorCollector(mlir::MLIRContext *context);

  llvm::Error take();

private:
  std::string message;
  mlir::ScopedDiagnosticHandler handler;
};

/// One step on its way through the phases. Errors of its passes are for the
/// `ErrorCollector` of whoever runs them.
class StepCompilation {
public:
  /// A copy of `recipe`. What the passes need to know of the target is the
  /// caller's to add to `passOptions`, before the first phase is prepared.
  StepCompilation(mlir::ModuleOp recipe, llvm::StringRef step,
                  const CompileOptions &options);

  PipelineOptions &passOptions() { return pipelineOptions; }
  mlir::ModuleOp module() { return *stepModule; }

  /// Makes the pass manager of the phase that `build` builds. The dialects that
  /// it needs are loaded, so that running it leaves the context as it is.
  using Build = void (*)(mlir::OpPassManager &, const PipelineOptions &);
  llvm::Error prepare(Build build);

  /// Runs what has been prepared since it was last called, and verifies what
  /// each phase leaves.
  mlir::LogicalResult run();

  mlir::LogicalResult addTo(PlanBuilder &plan);

  std::string print();

private:
  mlir::OwningOpRef<mlir::ModuleOp> stepModule;
  const CompileOptions &options;
  PipelineOptions pipelineOptions;
  /// Each sequence of a batch has a last row, which the runtime picks, and each
  /// row of a draft judges the next.
  bool logitsAll;
  /// They live as long as the step: their reports come when they go, which is
  /// in one thread.
  llvm::SmallVector<std::unique_ptr<mlir::PassManager>> phases;
  size_t finished = 0;
};

/// The model of a recipe, which must have one with room for `context`
/// positions.
llvm::Expected<ModelOp> findModel(mlir::ModuleOp recipe, int64_t context);

} // namespace flow

#endif // FLOW_LIB_COMPILER_STEPCOMPILATION_H
