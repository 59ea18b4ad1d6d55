// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Links object code in memory with ORC.

#include "flow/Compiler/LoadedCode.h"

#include "flow/Target/CpuTarget.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace flow;

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
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      (*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  (*jit)->getMainJITDylib().addGenerator(std::move(*process));
  for (const std::string &object : objects)
    if (llvm::Error error = (*jit)->addObjectFile(
            llvm::MemoryBuffer::getMemBufferCopy(object, "gemma-flow")))
      return error;
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
