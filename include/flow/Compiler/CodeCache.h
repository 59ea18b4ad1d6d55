// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled code on disk, by what it was compiled from.

#ifndef FLOW_COMPILER_CODECACHE_H
#define FLOW_COMPILER_CODECACHE_H

#include "flow/Compiler/Artifact.h"
#include "flow/Compiler/Compiler.h"

namespace flow {

/// The folder for caches of this user: `$XDG_CACHE_HOME/gemma-flow`, or
/// `.cache/gemma-flow` in the home folder; empty when there is neither.
std::string getUserCacheFolder();

/// Result of a compilation through the cache.
struct CachedCompilation {
  Artifact artifact;
  bool wasCached = false;
};

/// Compiles `recipe`, or takes the artefact of an equal compilation from
/// `folder`. Equal means: the same recipe, options, target and compiler. Two
/// processes may do so at once: a file appears whole or not at all, and one
/// that cannot be read is made anew. A folder that cannot be written is an
/// error; an empty `folder` means no cache.
llvm::Expected<CachedCompilation> compileCached(mlir::ModuleOp recipe,
                                                const CpuTarget &target,
                                                const CompileOptions &options,
                                                llvm::StringRef folder);

} // namespace flow

#endif // FLOW_COMPILER_CODECACHE_H
