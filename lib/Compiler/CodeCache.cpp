// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Looks up and stores artefacts by a digest of everything that shapes them.

#include "flow/Compiler/CodeCache.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/xxhash.h"

using namespace flow;

std::string flow::getUserCacheFolder() {
  llvm::SmallString<256> folder;
  if (std::optional<std::string> xdg =
          llvm::sys::Process::GetEnv("XDG_CACHE_HOME");
      xdg && !xdg->empty())
    folder = *xdg;
  else if (std::optional<std::string> home = llvm::sys::Process::GetEnv("HOME");
           home && !home->empty())
    llvm::sys::path::append(folder, *home, ".cache");
  else
    return {};
  llvm::sys::path::append(folder, "gemma-flow");
  return folder.str().str();
}

/// Identity of the compiler: the program that contains it. A rebuilt compiler
/// must not run the code of the one before.
static std::string compilerIdentity() {
  static int anchor;
  std::string program = llvm::sys::fs::getMainExecutable(nullptr, &anchor);
  llvm::sys::fs::file_status status;
  if (llvm::sys::fs::status(program, status))
    return program;
  return program + ' ' + llvm::utostr(status.getSize()) + ' ' +
         llvm::itostr(
             status.getLastModificationTime().time_since_epoch().count());
}

static std::string keyOf(mlir::ModuleOp recipe, const CpuTarget &target,
                         const CompileOptions &options) {
  std::string text;
  llvm::raw_string_ostream out(text);
  recipe->print(out);
  // The path of the weights is no part of the code; their types are in the
  // recipe.
  out << '\n'
      << options.numerics << ' ' << options.cacheType << ' '
      << options.logitsAll << ' ' << options.topK << ' ' << options.batch << ' '
      << options.verify << ' ' << options.context << ' ' << options.chunk
      << '\n'
      << target.triple << ' ' << target.cpu << ' ' << target.features << '\n'
      << compilerIdentity();
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(llvm::ArrayRef(
      reinterpret_cast<const uint8_t *>(text.data()), text.size()));
  return llvm::utohexstr(hash.high64, true, 16) +
         llvm::utohexstr(hash.low64, true, 16);
}

llvm::Expected<CachedCompilation>
flow::compileCached(mlir::ModuleOp recipe, const CpuTarget &target,
                    const CompileOptions &options, llvm::StringRef folder) {
  llvm::SmallString<256> path(folder);
  if (!folder.empty()) {
    std::error_code code = llvm::sys::fs::create_directories(folder);
    // A file of that name is no error of the call.
    if (!code && !llvm::sys::fs::is_directory(folder))
      code = std::make_error_code(std::errc::not_a_directory);
    if (code)
      return llvm::createStringError("the code cache " + folder +
                                     " cannot be made: " + code.message());
    llvm::sys::path::append(path, keyOf(recipe, target, options) + ".flow");
    if (llvm::sys::fs::exists(path)) {
      llvm::Expected<Artifact> artifact = readArtifact(path);
      if (artifact)
        return CachedCompilation{std::move(*artifact), true};
      llvm::consumeError(artifact.takeError());
    }
  }
  llvm::Expected<Artifact> artifact = compileModel(recipe, target, options);
  if (!artifact)
    return artifact.takeError();
  if (!folder.empty())
    if (llvm::Error error = writeArtifact(*artifact, path))
      return llvm::createStringError(
          "the code cache " + folder +
          " cannot be written: " + llvm::toString(std::move(error)));
  return CachedCompilation{std::move(*artifact), false};
}
