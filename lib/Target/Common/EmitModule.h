// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What every target does with a module of LLVM IR.

#ifndef FLOW_LIB_TARGET_COMMON_EMITMODULE_H
#define FLOW_LIB_TARGET_COMMON_EMITMODULE_H

#include "llvm/IR/Module.h"
#include "llvm/Passes/OptimizationLevel.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

#include <string>

namespace flow {

/// Keeps the first error of an LLVM context, which without a handler would end
/// the process. It must outlive the context.
class LlvmErrors {
public:
  void attachTo(llvm::LLVMContext &context);
  /// The error, or success.
  llvm::Error take();

private:
  std::string message;
};

/// Runs LLVM's pipeline of `level` for `machine`, without the vectorisers:
/// kernels are vectors already, or threads.
void optimizeModule(llvm::Module &module, llvm::TargetMachine &machine,
                    llvm::OptimizationLevel level);

/// Assembly or an object.
llvm::Expected<std::string> emitModule(llvm::Module &module,
                                       llvm::TargetMachine &machine,
                                       llvm::CodeGenFileType fileType);

} // namespace flow

#endif // FLOW_LIB_TARGET_COMMON_EMITMODULE_H
