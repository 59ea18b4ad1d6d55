// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tokenizer.model of a Hugging Face folder.

#ifndef FLOW_LIB_IMPORT_SENTENCEPIECE_H
#define FLOW_LIB_IMPORT_SENTENCEPIECE_H

#include "flow/Import/HfConfig.h"
#include "flow/Import/TokenizerData.h"

namespace flow {

/// Reads `bytes`, the contents of the tokenizer.model at `path`: a serialised
/// `sentencepiece.ModelProto`, as described by `sentencepiece_model.proto` of
/// SentencePiece. It must be what Gemma 1 to 3 have: a BPE with fallback to
/// bytes, spaces kept and nothing else changed. `vocab` is the number of
/// embedding rows. Special tokens are those of the configuration, as with a
/// tokenizer.json. A message that is cut off or has a field of another wire
/// type, pieces of no known type, and more pieces than rows are errors.
llvm::Expected<TokenizerData> parseSentencePiece(llvm::StringRef bytes,
                                                 llvm::StringRef path,
                                                 const HfConfig &config,
                                                 int64_t vocab);

} // namespace flow

#endif // FLOW_LIB_IMPORT_SENTENCEPIECE_H
