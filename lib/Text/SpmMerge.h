// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The merging of characters into pieces, highest score first.

#ifndef FLOW_LIB_TEXT_SPMMERGE_H
#define FLOW_LIB_TEXT_SPMMERGE_H

#include "flow/Text/Vocabulary.h"

#include <string_view>
#include <vector>

namespace flow::text {

/// Appends to `ids` the pieces of `text`, whose spaces are already U+2581 and
/// whose length is below 2^31: steps 3 and 4 of `SpmTokenizer`.
void mergePieces(const Vocabulary &vocabulary, std::string_view text,
                 std::vector<TokenId> &ids);

} // namespace flow::text

#endif // FLOW_LIB_TEXT_SPMMERGE_H
