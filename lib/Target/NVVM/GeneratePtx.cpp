// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From kernels in the LLVM dialect to PTX.

#include "Common/EmitModule.h"
#include "flow/Target/NvvmTarget.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetOptions.h"

#include <mutex>

using namespace flow;

static constexpr llvm::StringLiteral kTriple = "nvptx64-nvidia-cuda";

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(const NvvmTarget &target) {
  static std::once_flag initialized;
  std::call_once(initialized, [] {
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  llvm::Triple triple(kTriple);
  std::string problem;
  const llvm::Target *found =
      llvm::TargetRegistry::lookupTarget(triple, problem);
  if (!found)
    return llvm::createStringError(problem);
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      triple, target.chip, target.features, llvm::TargetOptions(), std::nullopt,
      std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return llvm::createStringError("LLVM has no code generator for " +
                                   target.chip);
  return machine;
}

/// An error that names what kernels of `module` call and nobody defines.
static llvm::Error checkDefined(const llvm::Module &module) {
  for (const llvm::Function &function : module)
    if (function.isDeclaration() && !function.isIntrinsic() &&
        !function.use_empty())
      return llvm::createStringError("a kernel calls '" + function.getName() +
                                     "', which no module defines");
  return llvm::Error::success();
}

llvm::Expected<std::string> flow::generatePtx(mlir::gpu::GPUModuleOp module,
                                              const NvvmTarget &target) {
  auto machine = createTargetMachine(target);
  if (!machine)
    return machine.takeError();
  mlir::MLIRContext &mlirContext = *module.getContext();
  mlir::registerBuiltinDialectTranslation(mlirContext);
  mlir::registerGPUDialectTranslation(mlirContext);
  mlir::registerLLVMDialectTranslation(mlirContext);
  mlir::registerNVVMDialectTranslation(mlirContext);
  LlvmErrors errors;
  llvm::LLVMContext context;
  errors.attachTo(context);
  std::unique_ptr<llvm::Module> code =
      mlir::translateModuleToLLVMIR(module, context, "gemma-flow");
  if (!code)
    return llvm::createStringError(
        "the kernels cannot be translated to LLVM IR");
  code->setTargetTriple((*machine)->getTargetTriple());
  code->setDataLayout((*machine)->createDataLayout());
  if (llvm::Error error = checkDefined(*code))
    return std::move(error);
  optimizeModule(*code, **machine, llvm::OptimizationLevel::O3);
  llvm::Expected<std::string> ptx =
      emitModule(*code, **machine, llvm::CodeGenFileType::AssemblyFile);
  if (!ptx)
    return ptx.takeError();
  if (llvm::Error error = errors.take())
    return std::move(error);
  return ptx;
}
