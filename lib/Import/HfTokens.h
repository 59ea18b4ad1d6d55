// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the tokenizers of a Hugging Face folder have in common.

#ifndef FLOW_LIB_IMPORT_HFTOKENS_H
#define FLOW_LIB_IMPORT_HFTOKENS_H

#include "flow/Import/HfConfig.h"
#include "flow/Import/TokenizerData.h"

namespace flow {

/// Values of `TokenizerData::types`, which are SentencePiece's own.
enum TokenKind : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

/// U+2581, which stands for a space in pieces.
inline constexpr llvm::StringLiteral kSpace = "\xE2\x96\x81";

/// Markers that files do not always call special.
bool looksLikeControl(llvm::StringRef text);

/// A marker that is text is matched in the text as it was, with its spaces.
std::string withSpaces(llvm::StringRef text);

/// Sets the special tokens of `data`, whose pieces are complete, as the
/// configuration names them. Gives what is wrong, or nothing.
std::string setSpecialTokens(const HfConfig &config, int64_t count,
                             TokenizerData &data);

} // namespace flow

#endif // FLOW_LIB_IMPORT_HFTOKENS_H
