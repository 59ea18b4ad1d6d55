// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One call each that puts our dialect and passes into any MLIR tool.

#include "flow/Codegen/CPU/Passes.h"
#include "flow/Compiler/Compiler.h"
#include "flow/Conversion/Passes.h"
#include "flow/IR/FlowDialect.h"
#include "flow/Transforms/Passes.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"

using namespace mlir;

void flow::registerAllDialects(DialectRegistry &registry) {
  registry.insert<FlowDialect>();
  // Interfaces are attached from outside and by many dialects; the upstream
  // list is the one that stays complete.
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  // Known from the start, so that generating code leaves a context as it is.
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

void flow::registerAllPasses() {
  registerFlowTransformsPasses();
  registerFlowConversionPasses();
  registerFlowCodegenCPUPasses();
}
