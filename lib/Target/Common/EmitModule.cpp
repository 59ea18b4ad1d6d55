// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Optimises modules of LLVM IR and emits them.

#include "EmitModule.h"

#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"

using namespace flow;

static void keepError(const llvm::DiagnosticInfo *info, void *kept) {
  auto &message = *static_cast<std::string *>(kept);
  if (info->getSeverity() != llvm::DS_Error || !message.empty())
    return;
  llvm::raw_string_ostream stream(message);
  llvm::DiagnosticPrinterRawOStream printer(stream);
  info->print(printer);
}

void LlvmErrors::attachTo(llvm::LLVMContext &context) {
  context.setDiagnosticHandlerCallBack(keepError, &message);
}

llvm::Error LlvmErrors::take() {
  if (message.empty())
    return llvm::Error::success();
  return llvm::createStringError("LLVM cannot generate the code: " + message);
}

void flow::optimizeModule(llvm::Module &module, llvm::TargetMachine &machine,
                          llvm::OptimizationLevel level) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
  builder.buildPerModuleDefaultPipeline(level).run(module, modules);
}

llvm::Expected<std::string> flow::emitModule(llvm::Module &module,
                                             llvm::TargetMachine &machine,
                                             llvm::CodeGenFileType fileType) {
  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, fileType))
    return llvm::createStringError("no file of this kind can be emitted for " +
                                   module.getTargetTriple().str());
  passes.run(module);
  return buffer.str().str();
}
