// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model file made ready to run: imported, compiled, packed.

#ifndef FLOW_COMPILER_LOADEDMODEL_H
#define FLOW_COMPILER_LOADEDMODEL_H

#include "flow/Compiler/Compiler.h"
#include "flow/Compiler/LoadedCode.h"
#include "flow/Import/GemmaConfig.h"
#include "flow/Import/ModelFile.h"
#include "flow/Runtime/Engine.h"
#include "flow/Text/Vocabulary.h"

#include <memory>
#include <optional>

namespace flow {

/// A model whose configuration was checked.
struct ImportedModel {
  std::unique_ptr<ModelFile> file;
  GemmaConfig config;
};

/// Opens and checks a GGUF file or a Hugging Face folder. A configuration alone
/// is an error, as it has no weights.
llvm::Expected<ImportedModel> importModel(llvm::StringRef path);

/// Reads a config.json alone, to compile what it describes: the tensors have no
/// data.
llvm::Expected<ImportedModel> importConfiguration(llvm::StringRef path);

/// True if `path` is named like a configuration.
bool isConfiguration(llvm::StringRef path);

/// The recipe of `model`, in `context`.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
buildRecipe(mlir::MLIRContext &context, const ImportedModel &model);

/// The tokenizer's vocabulary of `model`. One that there is not, or of a kind
/// that is not known here, is an error.
llvm::Expected<text::Vocabulary> loadVocabulary(const ImportedModel &model);

/// The tensors of `file`, for the runtime, for as long as the file is there.
runtime::TensorSource tensorsOf(const ModelFile &file);

/// Positions to make room for, of the model's `positions`, where `asked` are
/// wanted; 0 = a number that most uses are content with.
int64_t resolveContext(int64_t asked, int64_t positions);

/// How a model is to be loaded.
struct LoadOptions {
  std::string cpu = "native";
  CompileOptions compile;
  int threads = 1;
  /// Positions that a sequence may hold; 0 = the model's, at most 8192.
  int64_t context = 0;
  /// Tokens of a prefill step at most.
  int64_t prefillChunk = 512;
  /// Folder of the code cache; empty = none.
  std::string cacheFolder;
  /// The weights of an artefact, where they are not where it remembers them.
  std::string weightsPath;
  /// Told the model when it has been read. What it says about the compilation
  /// counts, unless the model comes with an artefact; may be empty.
  std::function<llvm::Error(const ImportedModel &, CompileOptions &)> onImport;
  /// Told, in a few words, what happens now; may be empty.
  std::function<void(llvm::StringRef)> progress;
};

/// Seconds that loading took, by part.
struct LoadTimes {
  double load = 0, compile = 0, pack = 0;
  bool wasCached = false;
};

/// A model with code and weights in memory.
class LoadedModel {
public:
  /// Loads the GGUF file, the Hugging Face folder or the artefact at `path`.
  static llvm::Expected<std::unique_ptr<LoadedModel>>
  load(llvm::StringRef path, const LoadOptions &options);

  const ImportedModel &imported() const { return source; }
  runtime::Model &model() { return *engine; }
  const runtime::Model &model() const { return *engine; }
  const LoadTimes &times() const { return loadTimes; }
  /// The symbol of the compiled function that begins at `address`, or nothing.
  llvm::StringRef nameOf(const void *address) { return code->nameOf(address); }
  /// The CPU that the code is for, by LLVM's name.
  const std::string &cpu() const { return codeCpu; }

private:
  LoadedModel() = default;

  ImportedModel source;
  std::unique_ptr<LoadedCode> code;
  std::unique_ptr<runtime::Model> engine;
  LoadTimes loadTimes;
  std::string codeCpu;
};

} // namespace flow

#endif // FLOW_COMPILER_LOADEDMODEL_H
