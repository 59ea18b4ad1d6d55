// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pass driver: mlir-opt with our dialect, passes and pipelines, and with
// the errors and exit codes of our other tools.

#include "Common/CommandLine.h"
#include "flow/Compiler/Compiler.h"
#include "flow/Pipelines/Pipelines.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace flow;
namespace cl = llvm::cl;

static cl::opt<std::string> inputPath(cl::Positional, cl::desc("<input file>"),
                                      cl::init("-"));
static cl::opt<std::string> outputPath("o", cl::desc("Output filename"),
                                       cl::value_desc("filename"),
                                       cl::init("-"));

/// The pages of the passes, as docs/Passes.md has them: --help ends with these.
static constexpr char kPassPages[] =
#include "PassPages.inc"
    ;
static cl::extrahelp passPages(kPassPages);

static int run(mlir::DialectRegistry &registry,
               const mlir::MlirOptMainConfig &options) {
  if (inputPath == "-" &&
      llvm::sys::Process::FileDescriptorIsDisplayed(STDIN_FILENO))
    llvm::errs() << "(reading from stdin, ctrl-d to end)\n";
  std::string problem;
  std::unique_ptr<llvm::MemoryBuffer> input =
      mlir::openInputFile(inputPath, &problem);
  if (!input)
    return reportFailure(llvm::createStringError(problem));
  std::unique_ptr<llvm::ToolOutputFile> output =
      mlir::openOutputFile(outputPath, &problem);
  if (!output)
    return reportFailure(llvm::createStringError(problem));

  // Passes and their options are looked up once for each section of the input,
  // and what is wrong with them is an error without a location. It belongs to
  // the command line.
  std::string usage;
  mlir::MlirOptMainConfig config = options;
  config.setPassPipelineSetupFn([&](mlir::PassManager &passes) {
    mlir::ScopedDiagnosticHandler handler(
        passes.getContext(), [&](mlir::Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
            return mlir::failure(); // whoever listens else may have it
          if (usage.empty())
            usage = diagnostic.str();
          return mlir::success();
        });
    return options.setupPassPipeline(passes);
  });
  bool failed = mlir::failed(
      mlir::MlirOptMain(output->os(), std::move(input), registry, config));
  if (!usage.empty())
    return reportUsage(firstPipelineMessage(usage));
  if (failed)
    return kExitFailure;
  output->keep();
  return 0;
}

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::registerAllPasses();
  registerAllPasses();
  registerAllPipelines();
  std::string overview =
      mlir::registerCLIOptions("gemma-flow pass driver\n", registry);
  cl::SetVersionPrinter([](llvm::raw_ostream &out) {
    printFlowVersion(out);
    cl::PrintVersionMessage();
  });
  if (!parseOptions(argc, argv, overview))
    return kExitUsage;
  auto options = mlir::MlirOptMainConfig::createFromCLOptions();
  // Lists need no input.
  if (options.shouldShowDialects() || options.shouldListPasses())
    return mlir::asMainReturnCode(
        mlir::MlirOptMain(argc, argv, inputPath, outputPath, registry));
  llvm::InitLLVM initialise(argc, argv);
  return run(registry, options);
}
