// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pass driver: mlir-opt with our dialect, passes and pipelines.

#include "flow/Compiler/Compiler.h"
#include "flow/Pipelines/Pipelines.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  flow::registerAllDialects(registry);
  mlir::registerAllPasses();
  flow::registerAllPasses();
  flow::registerAllPipelines();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "gemma-flow pass driver\n", registry));
}
