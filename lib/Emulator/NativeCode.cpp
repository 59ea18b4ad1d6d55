// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From LLVM IR to code of this machine, with ORC.

#include "NativeCode.h"

#include "Runtime.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/IR/PassManager.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"

#include <mutex>

using namespace flow::emulator;

/// LLVM keeps its code generators for the process.
static void initializeNativeTarget() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
}

/// Gives the functions of the runtime the names that generated code uses.
static llvm::Error defineRuntime(llvm::orc::LLJIT &jit) {
  llvm::orc::SymbolMap symbols;
  for (llvm::ArrayRef<RuntimeFunction> functions :
       {memoryFunctions(), warpFunctions(), asyncFunctions(),
        productFunctions(), laneFunctions()})
    for (const RuntimeFunction &function : functions)
      symbols[jit.mangleAndIntern("flow_emulator_" + function.name.str())] = {
          llvm::orc::ExecutorAddr::fromPtr(function.address),
          llvm::JITSymbolFlags::Exported};
  return jit.getMainJITDylib().define(
      llvm::orc::absoluteSymbols(std::move(symbols)));
}

llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>> flow::emulator::createJit() {
  initializeNativeTarget();
  auto target = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!target)
    return target.takeError();
  // Default takes longer for code that is no faster: memory and the runtime's
  // functions set the pace. None takes half the time for slower code.
  target->setCodeGenOptLevel(llvm::CodeGenOptLevel::Less);
  auto jit = llvm::orc::LLJITBuilder()
                 .setJITTargetMachineBuilder(std::move(*target))
                 .create();
  if (!jit)
    return jit.takeError();
  // What a lookup cannot resolve is the lookup's error; ORC would print it too.
  (*jit)->getExecutionSession().setErrorReporter(
      [](llvm::Error error) { llvm::consumeError(std::move(error)); });
  // Code for wide vectors may call memcpy and the like.
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      (*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  (*jit)->getMainJITDylib().addGenerator(std::move(*process));
  if (llvm::Error error = defineRuntime(**jit))
    return error;
  return std::move(*jit);
}

/// The translator leaves little to do: values that are used again are still at
/// hand, and only masks and addresses repeat.
static void optimize(llvm::Module &module) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::EarlyCSEPass());
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      passes.run(function, functions);
}

llvm::Error
flow::emulator::addModule(llvm::orc::LLJIT &jit,
                          std::unique_ptr<llvm::LLVMContext> context,
                          std::unique_ptr<llvm::Module> module) {
  module->setDataLayout(jit.getDataLayout());
  module->setTargetTriple(jit.getTargetTriple());
  // Some CPUs prefer 256-bit registers; a warp is two of 512 bits.
  for (llvm::Function &function : *module)
    if (!function.isDeclaration())
      function.addFnAttr("prefer-vector-width", "512");
  optimize(*module);
  return jit.addIRModule(
      llvm::orc::ThreadSafeModule(std::move(module), std::move(context)));
}
