// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tokenizer of a Hugging Face folder.

#ifndef FLOW_LIB_IMPORT_HFTOKENIZER_H
#define FLOW_LIB_IMPORT_HFTOKENIZER_H

#include "flow/Import/HfConfig.h"
#include "flow/Import/TokenizerData.h"

namespace flow {

/// Reads `text`, the contents of the tokenizer.json at `path`, as a BPE
/// with fallback to bytes: for a Gemma 4 with its merges, for others as the
/// SentencePiece vocabulary whose scores are in the order of the merges.
/// `vocab` is the number of embedding rows. Another kind of tokenizer, ids
/// outside the vocabulary or twice, holes, and merges of what is no piece are
/// errors.
llvm::Expected<TokenizerData> parseHfTokenizer(llvm::StringRef text,
                                               llvm::StringRef path,
                                               const HfConfig &config,
                                               int64_t vocab);

} // namespace flow

#endif // FLOW_LIB_IMPORT_HFTOKENIZER_H
