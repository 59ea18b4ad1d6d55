// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Links object code in memory with ORC.

#include "flow/Compiler/LoadedCode.h"

#include "flow/Target/CpuTarget.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace flow;

/// Reads an object and refuses what is none for `triple`: ORC takes other
/// objects, and would run another machine's code.
static llvm::Expected<std::unique_ptr<llvm::object::ObjectFile>>
readObject(llvm::MemoryBufferRef bytes, const llvm::Triple &triple) {
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
  return object;
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
  std::unique_ptr<LoadedCode> loaded(new LoadedCode(std::move(*jit)));
  for (const std::string &object : objects) {
    std::unique_ptr<llvm::MemoryBuffer> buffer =
        llvm::MemoryBuffer::getMemBufferCopy(object, "gemma-flow");
    auto read = readObject(*buffer, loaded->jit->getTargetTriple());
    if (!read)
      return read.takeError();
    loaded->addSections(**read);
    if (llvm::Error error = loaded->jit->addObjectFile(std::move(buffer)))
      return error;
  }
  return loaded;
}

void LoadedCode::addSections(const llvm::object::ObjectFile &object) {
  llvm::DenseMap<uint64_t, Section> found;
  for (const llvm::object::SymbolRef &symbol : object.symbols()) {
    auto type = symbol.getType();
    auto section = symbol.getSection();
    auto name = symbol.getName();
    auto address = symbol.getAddress();
    auto flags = symbol.getFlags();
    // A damaged symbol table is for whoever links it to complain about.
    bool isRead = type && section && name && address && flags;
    llvm::consumeError(type.takeError());
    llvm::consumeError(section.takeError());
    llvm::consumeError(name.takeError());
    llvm::consumeError(address.takeError());
    llvm::consumeError(flags.takeError());
    if (!isRead || *type != llvm::object::SymbolRef::ST_Function ||
        *section == object.section_end())
      continue;
    Section &functions = found[(*section)->getIndex()];
    Section::Function function{name->str(), *address};
    if (*flags & llvm::object::SymbolRef::SF_Global)
      functions.anchor = function;
    functions.functions.push_back(std::move(function));
  }
  for (auto &[index, section] : found)
    sections.push_back(std::move(section));
}

void *LoadedCode::lookupEntry(llvm::StringRef name) {
  llvm::Expected<llvm::orc::ExecutorAddr> address =
      jit->lookup((kEntryPrefix + name).str());
  if (address)
    return address->toPtr<void *>();
  llvm::consumeError(address.takeError());
  return nullptr;
}

llvm::StringRef LoadedCode::nameOf(const void *address) {
  for (const Section &section : sections) {
    if (!section.anchor)
      continue;
    llvm::Expected<llvm::orc::ExecutorAddr> anchor =
        jit->lookup(section.anchor->name);
    if (!anchor) {
      llvm::consumeError(anchor.takeError());
      continue;
    }
    // Sections move as a whole.
    uint64_t offset = llvm::orc::ExecutorAddr::fromPtr(address).getValue() -
                      anchor->getValue() + section.anchor->offset;
    for (const Section::Function &function : section.functions)
      if (function.offset == offset)
        return function.name;
  }
  return {};
}
