// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model's weights and tokenizer, whatever the format of its files.

#ifndef FLOW_IMPORT_MODELFILE_H
#define FLOW_IMPORT_MODELFILE_H

#include "flow/Ggml/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace flow {

struct TokenizerData;

/// A tensor of a model. `dims` is as a matrix is written: rows first, the
/// contiguous dimension last.
struct ModelTensor {
  /// In the mapped file or with its reader.
  llvm::StringRef name;
  ggml::Type type;
  llvm::SmallVector<int64_t, 4> dims;
  /// In the mapped file; may be unaligned. Null where only a configuration was
  /// read.
  const std::byte *data;
  uint64_t bytes;
};

/// The files of a model, open and checked. Everything it gives out lives as
/// long as it does.
class ModelFile {
public:
  virtual ~ModelFile();

  /// The file or the folder, as it was given.
  virtual llvm::StringRef path() const = 0;
  /// All tensors of the text decoder.
  virtual llvm::ArrayRef<ModelTensor> tensors() const = 0;
  /// The tensor that has this name in the file, or null.
  virtual const ModelTensor *findTensor(llvm::StringRef name) const = 0;
  /// The name in this file of the tensor that GGUF files call `ggufName`, such
  /// as `blk.3.attn_q.weight`. GGUF gives every weight of every generation one
  /// name, and so these are what importers ask for.
  virtual std::string nameOf(llvm::StringRef ggufName) const = 0;
  /// Norm weights are stored less the 1 that belongs to them.
  virtual bool hasUnitOffset() const = 0;
  /// The factor of the embedding is meant as a bf16.
  virtual bool hasBf16EmbeddingScale() const = 0;
  /// A digest of everything that shapes the code: configuration, and names,
  /// types and shapes of tensors. Two models with one digest need the same.
  virtual uint64_t headerDigest() const = 0;
  /// Whether there is a tokenizer of a kind that `readTokenizer` knows.
  virtual bool hasTokenizer() const = 0;
  /// Reads and checks the tokenizer of a model with `vocab` rows of embedding.
  /// One that is missing, unknown or wrong is an error that says so.
  virtual llvm::Expected<TokenizerData> readTokenizer(int64_t vocab) const = 0;

  /// Reads and checks the tokens of a model with `vocab` rows of embedding that
  /// must never be generated. A file that names none gives an empty list.
  virtual llvm::Expected<std::vector<int32_t>>
  readSuppressedTokens(int64_t vocab) const = 0;

  /// Tells the system that a range of a mapped file will not be read again
  /// soon.
  static void releasePages(const std::byte *data, size_t size);
};

} // namespace flow

#endif // FLOW_IMPORT_MODELFILE_H
