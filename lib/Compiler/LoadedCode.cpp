// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Links object code in memory with ORC.

#include "flow/Compiler/LoadedCode.h"

#include "flow/Target/CpuTarget.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace flow;

/// Refuses what is no object for `triple`: ORC takes other objects, and would
/// run another machine's code.
static llvm::Error checkObject(llvm::MemoryBufferRef bytes,
                               const llvm::Triple &triple) {
  llvm::Expected<std::unique_ptr<llvm::object::ObjectFile>> object =
      llvm::object::ObjectFile::createObjectFile(bytes);
  if (!object)
    return llvm::createStringError("the code is no object: " +
                                   llvm::toString(object.takeError()));
  if ((*object)->getArch() != triple.getArch() ||
      (*object)->getTripleObjectFormat() != triple.getObjectFormat())
    return llvm::createStringError("the code is an object for " +
                                   (*object)->makeTriple().str() +
                                   ", this machine is " + triple.str());
  return llvm::Error::success();
}

LoadedCode::LoadedCode(std::unique_ptr<llvm::orc::LLJIT> jit)
    : jit(std::move(jit)) {}

LoadedCode::~LoadedCode() = default;

llvm::Expected<std::unique_ptr<LoadedCode>>
LoadedCode::load(llvm::ArrayRef<std::string> objects) {
  // Resolving the target registers LLVM's native one, which ORC asks for.
  llvm::Expected<CpuTarget> target = resolveCpuTarget("native");
  if (!target)
    return target.takeError();
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return jit.takeError();
  // What a lookup cannot resolve is the lookup's error; ORC would print it too.
  (*jit)->getExecutionSession().setErrorReporter(
      [](llvm::Error error) { llvm::consumeError(std::move(error)); });
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      (*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  (*jit)->getMainJITDylib().addGenerator(std::move(*process));
  for (const std::string &object : objects) {
    std::unique_ptr<llvm::MemoryBuffer> buffer =
        llvm::MemoryBuffer::getMemBufferCopy(object, "gemma-flow");
    if (llvm::Error error = checkObject(*buffer, (*jit)->getTargetTriple()))
      return error;
    if (llvm::Error error = (*jit)->addObjectFile(std::move(buffer)))
      return error;
  }
  return std::unique_ptr<LoadedCode>(new LoadedCode(std::move(*jit)));
}

void *LoadedCode::lookupEntry(llvm::StringRef name) {
  llvm::Expected<llvm::orc::ExecutorAddr> address =
      jit->lookup((kEntryPrefix + name).str());
  if (address)
    return address->toPtr<void *>();
  llvm::consumeError(address.takeError());
  return nullptr;
}
