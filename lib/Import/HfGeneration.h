// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What generation_config.json says of tokens.

#ifndef FLOW_LIB_IMPORT_HFGENERATION_H
#define FLOW_LIB_IMPORT_HFGENERATION_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <vector>

namespace flow {

/// Tokens that play a part in generating. Temperatures and the like are hints
/// of a publisher, which only the options of a run decide.
struct HfGeneration {
  /// `eos_token_id`: what ends an answer, in place of what the configuration
  /// says; none where the file does not say.
  std::optional<std::vector<int32_t>> eos;
  /// `suppress_tokens`: what is never chosen.
  std::vector<int32_t> suppressed;
};

/// Reads `text`, the contents of the generation_config.json at `path`. Ids must
/// be from 0 to `vocab` - 1, the rows of the embedding.
llvm::Expected<HfGeneration>
parseHfGeneration(llvm::StringRef text, llvm::StringRef path, int64_t vocab);

} // namespace flow

#endif // FLOW_LIB_IMPORT_HFGENERATION_H
