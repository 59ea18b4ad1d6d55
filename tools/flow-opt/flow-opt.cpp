// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pass driver: mlir-opt with our dialect, passes and pipelines.

#include "flow/Codegen/CPU/Passes.h"
#include "flow/Conversion/Passes.h"
#include "flow/IR/FlowDialect.h"
#include "flow/Pipelines/Pipelines.h"
#include "flow/Transforms/Passes.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<flow::FlowDialect>();
  mlir::registerAllPasses();
  flow::registerFlowCodegenCPUPasses();
  flow::registerFlowConversionPasses();
  flow::registerFlowTransformsPasses();
  flow::registerAllPipelines();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "gemma-flow pass driver\n", registry));
}
