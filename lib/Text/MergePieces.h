// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The two ways to make pieces of a text that has no special pieces in it.

#ifndef FLOW_LIB_TEXT_MERGEPIECES_H
#define FLOW_LIB_TEXT_MERGEPIECES_H

#include "flow/Text/Vocabulary.h"

#include <string_view>
#include <vector>

namespace flow::text {

/// Append to `ids` the pieces of `text`, whose spaces are already U+2581 and
/// which is shorter than 2^31 bytes: steps 3 and 4 of `Tokenizer`, for each
/// value of `Algorithm`.
void mergeByScore(const Vocabulary &vocabulary, std::string_view text,
                  std::vector<TokenId> &ids);
void mergeByRank(const Vocabulary &vocabulary, std::string_view text,
                 std::vector<TokenId> &ids);

} // namespace flow::text

#endif // FLOW_LIB_TEXT_MERGEPIECES_H
