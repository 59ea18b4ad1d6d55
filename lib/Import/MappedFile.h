// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Maps files into memory for reading.

#ifndef FLOW_LIB_IMPORT_MAPPEDFILE_H
#define FLOW_LIB_IMPORT_MAPPEDFILE_H

#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

namespace flow {

/// Maps the regular file at `path` for reading. Fewer than `minBytes` bytes are
/// too few for a `kind`, as in "GGUF file"; the error names the path.
llvm::Expected<llvm::sys::fs::mapped_file_region>
mapFile(llvm::StringRef path, uint64_t minBytes, llvm::StringRef kind);

} // namespace flow

#endif // FLOW_LIB_IMPORT_MAPPEDFILE_H
