// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The language server: mlir-lsp-server with our dialect, and with the errors
// and exit codes of our other tools.

#include "Common/CommandLine.h"
#include "flow/Compiler/Compiler.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "llvm/Support/InitLLVM.h"

using namespace flow;
namespace cl = llvm::cl;

static cl::OptionCategory category("flow-lsp-server options");

static cl::opt<std::string>
    logLevel("log", cl::desc("messages on stderr: error, info or verbose"),
             cl::value_desc("level"), cl::init("info"), cl::cat(category));
static cl::opt<bool>
    litTest("lit-test",
            cl::desc("read messages between lines of // -----, write them "
                     "laid out, and log all: for tests"),
            cl::cat(category));

int main(int argc, char **argv) {
  llvm::InitLLVM initialise(argc, argv);
  if (!parseCommandLine(argc, argv, category,
                        "Language server for MLIR with the flow dialect: "
                        "JSON-RPC on stdin and stdout\n"))
    return kExitUsage;
  if (std::string problem =
          checkChoice("--log", logLevel, {"error", "info", "verbose"});
      !problem.empty())
    return reportUsage(problem);

  // Upstream's main function registers its options by the same names, and exits
  // by itself where the command line is wrong: it gets one that is right.
  logLevel.removeArgument();
  litTest.removeArgument();
  std::string log = "--log=" + logLevel;
  std::string test = "--lit-test=" + std::string(litTest ? "1" : "0");
  char *arguments[] = {argv[0], log.data(), test.data(), nullptr};

  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  // Fails if the client ends the session without having shut it down.
  return succeeded(mlir::MlirLspServerMain(3, arguments, registry))
             ? 0
             : kExitFailure;
}
