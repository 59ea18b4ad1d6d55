// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the LLVM dialect to optimised object code.

#include "Common/EmitModule.h"
#include "TargetMachine.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
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

llvm::Expected<std::string> flow::generateCode(mlir::ModuleOp module,
                                               const CpuTarget &target,
                                               CodeKind kind) {
  auto machine = createTargetMachine(target);
  if (!machine)
    return machine.takeError();
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  LlvmErrors errors;
  llvm::LLVMContext context;
  errors.attachTo(context);
  std::unique_ptr<llvm::Module> code =
      mlir::translateModuleToLLVMIR(module, context, "gemma-flow");
  if (!code)
    return llvm::createStringError(
        "the module cannot be translated to LLVM IR");
  code->setTargetTriple(llvm::Triple(target.triple));
  code->setDataLayout((*machine)->createDataLayout());
  prepareLinkage(*code, target);
  optimizeModule(*code, **machine, llvm::OptimizationLevel::O1);

  if (kind == CodeKind::LlvmIr) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    code->print(stream, nullptr);
    return text;
  }
  llvm::Expected<std::string> emitted = emitModule(
      *code, **machine,
      kind == CodeKind::Assembly ? llvm::CodeGenFileType::AssemblyFile
                                 : llvm::CodeGenFileType::ObjectFile);
  if (!emitted)
    return emitted.takeError();
  if (llvm::Error error = errors.take())
    return std::move(error);
  return emitted;
}
