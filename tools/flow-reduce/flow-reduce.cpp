// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The reducer of modules that fail: mlir-reduce with our dialect and passes,
// and with the errors and exit codes of our other tools.

#include "Common/CommandLine.h"
#include "ReduceModule.h"
#include "flow/Compiler/Compiler.h"
#include "flow/Pipelines/Pipelines.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Reducer/Passes.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace flow;
namespace cl = llvm::cl;

static cl::OptionCategory category("flow-reduce options");

static cl::opt<std::string> inputPath(cl::Positional, cl::desc("<input file>"),
                                      cl::init("-"), cl::cat(category));
static cl::opt<std::string> outputPath("o", cl::desc("Output filename"),
                                       cl::value_desc("filename"),
                                       cl::init("-"), cl::cat(category));

static constexpr char kOverview[] =
    "gemma-flow reducer of modules\n\n"
    "Makes a module smaller as long as it is of interest to a test: a program\n"
    "that takes a .mlir file, and exits with anything but 0 if it is. The\n"
    "passes run again and again until the module stays as it is.\n\n"
    "  flow-reduce bad.mlir -o small.mlir --reduce-module=test=./fails.sh\n";

/// Upstream's reducer ends the process where its test cannot be run or does not
/// come to its end. `pipeline` tells which test that is.
static void reportFatal(void *pipeline, const char *reason, bool) {
  int code = reportFailure(llvm::createStringError(
      llvm::Twine(reason) + ", in " + *static_cast<std::string *>(pipeline)));
  llvm::sys::RunInterruptHandlers(); // removes temporary files and the output
  std::exit(code);
}

static std::string print(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream out(text);
  module.print(out);
  return text;
}

/// Runs `passes` until they no longer make `module` smaller: what one of them
/// takes away lets others take more.
static llvm::Error reduce(mlir::ModuleOp module, mlir::PassManager &passes,
                          llvm::StringRef pipeline) {
  // Most of what is tried is no valid module, which is nobody's fault.
  std::string last = "a pass failed";
  mlir::ScopedDiagnosticHandler handler(
      module.getContext(), [&](mlir::Diagnostic &diagnostic) {
        last = llvm::StringRef(diagnostic.str()).trim().str();
        return mlir::success();
      });
  size_t size, before = print(module).size();
  for (;; before = size) {
    if (failed(passes.run(module)))
      return llvm::createStringError(last + ", in " + pipeline);
    size = print(module).size();
    if (size >= before)
      return llvm::Error::success();
  }
}

static int run(const mlir::PassPipelineCLParser &parser) {
  std::string problem;
  std::unique_ptr<llvm::MemoryBuffer> input =
      mlir::openInputFile(inputPath, &problem);
  if (!input)
    return reportFailure(llvm::createStringError(problem));
  std::unique_ptr<llvm::ToolOutputFile> output =
      mlir::openOutputFile(outputPath, &problem);
  if (!output)
    return reportFailure(llvm::createStringError(problem));

  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  mlir::PassManager passes(&context, mlir::ModuleOp::getOperationName());
  auto takeProblem = [&](const llvm::Twine &message) {
    problem = message.str();
    return mlir::failure();
  };
  if (failed(parser.addToPipeline(passes, takeProblem)))
    return reportUsage(firstPipelineMessage(problem));
  std::string pipeline;
  llvm::raw_string_ostream text(pipeline);
  passes.printAsTextualPipeline(text);

  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(input), {});
  mlir::SourceMgrDiagnosticHandler handler(sources, &context);
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(sources, &context);
  if (!module)
    return kExitFailure;
  llvm::ScopedFatalErrorHandler fatal(reportFatal, &pipeline);
  int code = 0;
  // Passes that are tried may crash. So does upstream's reducer when the op of
  // interest is one that nothing reads, as it erases those unasked.
  llvm::CrashRecoveryContext::Enable();
  llvm::CrashRecoveryContext recovery;
  if (!recovery.RunSafely([&] {
        if (llvm::Error error = reduce(*module, passes, pipeline))
          code = reportFailure(std::move(error));
      }))
    reportFatal(&pipeline, "a pass crashed", false);
  if (code != 0)
    return code;
  output->os() << print(*module);
  output->keep();
  return 0;
}

int main(int argc, char **argv) {
  llvm::InitLLVM initialise(argc, argv);
  mlir::registerAllPasses();
  mlir::registerReducerPasses();
  registerReduceModule();
  registerAllPasses();
  registerAllPipelines();
  cl::HideUnrelatedOptions(category); // before there are those of passes
  mlir::PassPipelineCLParser parser("", "Passes to run");
  cl::SetVersionPrinter(printFlowVersion);
  if (!parseOptions(argc, argv, kOverview))
    return kExitUsage;
  if (!parser.hasAnyOccurrences())
    return reportUsage("no reduction is asked for, such as --reduce-module");
  return run(parser);
}
