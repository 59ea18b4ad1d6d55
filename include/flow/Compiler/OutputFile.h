// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Files that appear whole or not at all.

#ifndef FLOW_COMPILER_OUTPUTFILE_H
#define FLOW_COMPILER_OUTPUTFILE_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

namespace flow {

/// Writes the file at `path`, or standard output for `-`, with what `write`
/// puts out. Where that fails, be it for a full disk, the error says so and
/// what was at `path` stays.
llvm::Error
writeOutputFile(llvm::StringRef path,
                llvm::function_ref<llvm::Error(llvm::raw_ostream &)> write);

} // namespace flow

#endif // FLOW_COMPILER_OUTPUTFILE_H
