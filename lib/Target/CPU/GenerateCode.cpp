// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the LLVM dialect to optimised object code.

#include "TargetMachine.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"

using namespace flow;

/// What MLIR calls the function that takes descriptors by pointer.
static constexpr llvm::StringLiteral kCInterfacePrefix = "_mlir_ciface_";

/// Adds `void flow_entry_f(void **args)` for the C interface of `f`: pointers
/// are passed on, scalars are loaded from where their pointer points.
static void addEntry(llvm::Function &interface) {
  llvm::Module &module = *interface.getParent();
  llvm::LLVMContext &context = module.getContext();
  llvm::StringRef name =
      interface.getName().drop_front(kCInterfacePrefix.size());
  auto *pointer = llvm::PointerType::getUnqual(context);
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context),
                                       {pointer}, /*isVarArg=*/false);
  auto *entry = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage,
                                       kEntryPrefix + name, module);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", entry));
  llvm::SmallVector<llvm::Value *> arguments;
  for (llvm::Argument &parameter : interface.args()) {
    llvm::Value *slot =
        b.CreateConstGEP1_64(pointer, entry->getArg(0), parameter.getArgNo());
    llvm::Value *argument = b.CreateLoad(pointer, slot);
    if (!parameter.getType()->isPointerTy())
      argument = b.CreateLoad(parameter.getType(), argument);
    arguments.push_back(argument);
  }
  b.CreateCall(&interface, arguments);
  b.CreateRetVoid();
}

/// Entries stay visible, everything else with a body is internal.
static void prepareLinkage(llvm::Module &module, const CpuTarget &target) {
  llvm::SmallVector<llvm::Function *> interfaces;
  for (llvm::Function &function : module)
    if (function.getName().starts_with(kCInterfacePrefix) &&
        !function.isDeclaration())
      interfaces.push_back(&function);
  for (llvm::Function *interface : interfaces)
    addEntry(*interface);
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
    // Some CPUs prefer 256-bit registers, which would split every kernel.
    if (target.avx512)
      function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr(llvm::Attribute::NoUnwind);
    if (!function.getName().starts_with(kEntryPrefix))
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  }
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  // Kernels are vectors already: the vectorisers would find nothing to do.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O1)
      .run(module, modules);
}

/// The first error of LLVM, which without a handler would end the process.
static void keepError(const llvm::DiagnosticInfo *info, void *kept) {
  auto &message = *static_cast<std::string *>(kept);
  if (info->getSeverity() != llvm::DS_Error || !message.empty())
    return;
  llvm::raw_string_ostream stream(message);
  llvm::DiagnosticPrinterRawOStream printer(stream);
  info->print(printer);
}

llvm::Expected<std::string> flow::generateCode(mlir::ModuleOp module,
                                               const CpuTarget &target,
                                               CodeKind kind) {
  auto machine = createTargetMachine(target);
  if (!machine)
    return machine.takeError();
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  std::string problem;
  llvm::LLVMContext context;
  context.setDiagnosticHandlerCallBack(keepError, &problem);
  std::unique_ptr<llvm::Module> code =
      mlir::translateModuleToLLVMIR(module, context, "gemma-flow");
  if (!code)
    return llvm::createStringError(
        "the module cannot be translated to LLVM IR");
  code->setTargetTriple(llvm::Triple(target.triple));
  code->setDataLayout((*machine)->createDataLayout());
  prepareLinkage(*code, target);
  optimize(*code, **machine);

  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  if (kind == CodeKind::LlvmIr) {
    code->print(stream, nullptr);
    return buffer.str().str();
  }
  llvm::legacy::PassManager passes;
  auto fileType = kind == CodeKind::Assembly
                      ? llvm::CodeGenFileType::AssemblyFile
                      : llvm::CodeGenFileType::ObjectFile;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr, fileType))
    return llvm::createStringError("no file of this kind can be emitted for " +
                                   target.triple);
  passes.run(*code);
  if (!problem.empty())
    return llvm::createStringError("LLVM cannot generate the code: " + problem);
  return buffer.str().str();
}
