// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Programs of CUDA's toolkit, and the files that they read and write.

#ifndef FLOW_LIB_TARGET_NVVM_CUDATOOLS_H
#define FLOW_LIB_TARGET_NVVM_CUDATOOLS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileUtilities.h"

#include <memory>
#include <string>

namespace flow {

/// The path of the program `name`, or nothing; see `findPtxas`.
std::string findCudaTool(llvm::StringRef name);

/// A temporary file, which goes when this does.
class TemporaryFile {
public:
  static llvm::Expected<TemporaryFile> create(llvm::StringRef extension);
  /// One that holds `bytes`.
  static llvm::Expected<TemporaryFile> create(llvm::StringRef extension,
                                              llvm::StringRef bytes);

  llvm::StringRef path() const { return name; }
  llvm::Expected<std::string> read() const;

private:
  llvm::SmallString<128> name;
  std::unique_ptr<llvm::FileRemover> remover;
};

/// Runs the program at `path` and returns what it prints. Where it fails, that
/// is the error, after `complaint`.
llvm::Expected<std::string> runCudaTool(llvm::StringRef path,
                                        llvm::ArrayRef<std::string> arguments,
                                        llvm::StringRef complaint);

} // namespace flow

#endif // FLOW_LIB_TARGET_NVVM_CUDATOOLS_H
