// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Object code in this process: linked in memory, entered by symbol.

#ifndef FLOW_COMPILER_LOADEDCODE_H
#define FLOW_COMPILER_LOADEDCODE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>

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

private:
  explicit LoadedCode(std::unique_ptr<llvm::orc::LLJIT> jit);
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

} // namespace flow

#endif // FLOW_COMPILER_LOADEDCODE_H
