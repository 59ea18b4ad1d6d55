// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled code and its plan, in memory and as a file.

#ifndef FLOW_COMPILER_ARTIFACT_H
#define FLOW_COMPILER_ARTIFACT_H

#include "flow/Runtime/Plan.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace flow {

/// Code and plan of a model. It holds no weights: it remembers where they are.
struct Artifact {
  runtime::Plan plan;
  /// Object files for the machine below.
  std::vector<std::string> objects;
  std::string triple, cpu, features;
  /// The model file that it was compiled from, and its header's digest.
  std::string modelPath;
  uint64_t modelDigest = 0;
};

/// Writes the artefact to `path`, whole or not at all.
llvm::Error writeArtifact(const Artifact &artifact, llvm::StringRef path);

/// True if the file at `path` begins like an artefact.
bool isArtifact(llvm::StringRef path);

/// Reads and checks an artefact. A foreign, cut off or damaged file is an
/// error; so is one of another version.
llvm::Expected<Artifact> readArtifact(llvm::StringRef path);

} // namespace flow

#endif // FLOW_COMPILER_ARTIFACT_H
