// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The merging of characters into pieces, highest score first.

#include "MergePieces.h"
#include "PairMerger.h"

using namespace flow;
using namespace flow::text;

namespace {

/// Two neighbours are merged if what they make is a piece, whatever they are.
struct ScoreRule {
  using Order = float;

  const Vocabulary &vocabulary;

  std::optional<PairMatch<Order>> match(std::string_view both, TokenId,
                                        TokenId) const {
    TokenId id = vocabulary.find(both);
    if (id == kNoToken || vocabulary.isMarker(id))
      return std::nullopt;
    return PairMatch<Order>{-vocabulary.score(id), id};
  }
};

} // namespace

void flow::text::mergeByScore(const Vocabulary &vocabulary,
                              std::string_view text,
                              std::vector<TokenId> &ids) {
  ScoreRule rule{vocabulary};
  PairMerger<ScoreRule>(vocabulary, rule).run(text, ids);
}
