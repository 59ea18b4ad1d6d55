// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tokenizer in a model file, as data.

#ifndef FLOW_IMPORT_TOKENIZERDATA_H
#define FLOW_IMPORT_TOKENIZERDATA_H

#include "flow/Import/GgufReader.h"

#include <memory>

namespace flow {

/// What a file says of its tokenizer. Strings lie in the mapped file, or in
/// `owner` where that is set.
struct TokenizerData {
  /// The algorithm: `llama` merges by score, `gemma4` by a list of merges.
  llvm::StringRef model;
  std::vector<llvm::StringRef> tokens;
  /// All 0 for `gemma4`, to which they mean nothing.
  std::vector<float> scores;
  /// Of `gemma4` only: "left right", by rank. Not looked into.
  std::vector<llvm::StringRef> merges;
  /// 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
  std::vector<int32_t> types;
  /// Ids of special tokens; -1 when the file names none.
  int32_t bos = -1, eos = -1, unknown = -1, padding = -1;
  /// Tokens that end an answer besides `eos`.
  std::vector<int32_t> ends;
  bool addBos = true, addSpacePrefix = true;
  std::shared_ptr<const void> owner;
};

/// Reads and checks the tokenizer of `file`: equal lengths, `vocab` tokens,
/// ids inside the vocabulary, known types. Whatever a file says, `gemma4` adds
/// the beginning of a sequence and no space.
llvm::Expected<TokenizerData> readTokenizerData(const GgufReader &file,
                                                int64_t vocab);

} // namespace flow

#endif // FLOW_IMPORT_TOKENIZERDATA_H
