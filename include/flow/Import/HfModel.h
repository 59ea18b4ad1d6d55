// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A Hugging Face folder as a model file.

#ifndef FLOW_IMPORT_HFMODEL_H
#define FLOW_IMPORT_HFMODEL_H

#include "flow/Import/HfConfig.h"
#include "flow/Import/SafetensorsReader.h"

namespace flow {

struct HfGeneration;

/// A configuration and its tensors: a folder with `config.json` and either
/// `model.safetensors` or the shards that `model.safetensors.index.json` names.
/// Tensors have the names that the files give them; those of vision and audio
/// towers are left out. The tokenizer is that of `tokenizer.json`, else of
/// `tokenizer.model`. A `generation_config.json`, where there is one, says
/// which tokens end an answer and which are never chosen.
class HfModel : public ModelFile {
public:
  /// Opens the folder and checks its configuration, its files, and that their
  /// tensors are those of the configuration. An error names the file, the key
  /// or the tensor, what was expected and found.
  static llvm::Expected<std::unique_ptr<HfModel>> open(llvm::StringRef folder);

  /// Reads the config.json at `path` alone. The tensors have the names and the
  /// type that released files give them, and no data.
  static llvm::Expected<std::unique_ptr<HfModel>>
  openConfiguration(llvm::StringRef path);

  const GemmaConfig &config() const { return numbers.gemma; }

  llvm::StringRef path() const override { return folder; }
  llvm::ArrayRef<ModelTensor> tensors() const override { return tensorList; }
  const ModelTensor *findTensor(llvm::StringRef name) const override;
  std::string nameOf(llvm::StringRef ggufName) const override;
  bool hasUnitOffset() const override { return numbers.unitOffset; }
  /// What multiplies bf16 embeddings is rounded to a bf16 there.
  bool hasBf16EmbeddingScale() const override;
  uint64_t headerDigest() const override { return digest; }
  bool hasTokenizer() const override;
  llvm::Expected<TokenizerData> readTokenizer(int64_t vocab) const override;
  llvm::Expected<std::vector<int32_t>>
  readSuppressedTokens(int64_t vocab) const override;

private:
  HfModel() = default;
  llvm::Error readConfig(llvm::StringRef path);
  /// Lists the tensors that the configuration asks for, without data.
  void inventTensors();
  /// Digests the configuration's text, and those tensors as they are here.
  void digestTensors();
  bool hasPieces() const;
  llvm::Expected<HfGeneration> readGeneration(int64_t vocab) const;
  llvm::Error openFiles();
  llvm::Error addFile(const std::string &name, const ShardIndex *index,
                      size_t place);
  llvm::Error addTensor(const SafetensorsTensor &tensor, llvm::StringRef file);

  std::string folder;
  HfConfig numbers;
  std::vector<std::unique_ptr<SafetensorsReader>> files;
  std::vector<ModelTensor> tensorList;
  /// By the name in the file, and from the name without what goes before it.
  llvm::StringMap<size_t> tensorIndex;
  llvm::StringMap<llvm::StringRef> fullNames;
  uint64_t digest = 0;
};

} // namespace flow

#endif // FLOW_IMPORT_HFMODEL_H
