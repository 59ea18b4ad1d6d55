// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Object code in this process: linked in memory, entered by symbol.

#ifndef FLOW_COMPILER_LOADEDCODE_H
#define FLOW_COMPILER_LOADEDCODE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llvm::object {
class ObjectFile;
} // namespace llvm::object
namespace llvm::orc {
class LLJIT;
} // namespace llvm::orc

namespace flow {

/// Objects linked into the process; the code lives as long as this does.
class LoadedCode {
public:
  /// Links `objects` together and against the C library of the process.
  static llvm::Expected<std::unique_ptr<LoadedCode>>
  load(llvm::ArrayRef<std::string> objects);
  ~LoadedCode();

  /// The entry of function `name`, or null when there is none.
  void *lookupEntry(llvm::StringRef name);

  /// The symbol of the function that begins at `address`, whether it can be
  /// looked up or is known to its object only; empty when there is none.
  llvm::StringRef nameOf(const void *address);

private:
  explicit LoadedCode(std::unique_ptr<llvm::orc::LLJIT> jit);

  /// Functions of an object that lie in the same section.
  struct Section {
    struct Function {
      std::string name;
      uint64_t offset = 0;
    };
    /// One that can be looked up; nothing where there is none.
    std::optional<Function> anchor;
    std::vector<Function> functions;
  };
  void addSections(const llvm::object::ObjectFile &object);

  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::vector<Section> sections;
};

} // namespace flow

#endif // FLOW_COMPILER_LOADEDCODE_H
