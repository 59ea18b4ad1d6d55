// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The merging of characters into pieces by a list of merges, first one first.

#include "MergePieces.h"
#include "PairMerger.h"

#include <string>

using namespace flow;
using namespace flow::text;

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD"; // U+FFFD
constexpr uint32_t kLastCharacter = 0x10FFFF;

/// Two neighbours are merged if a merge names them, not just because what they
/// make is a piece.
struct RankRule {
  using Order = int32_t;

  const Vocabulary &vocabulary;

  std::optional<PairMatch<Order>> match(std::string_view, TokenId left,
                                        TokenId right) const {
    Vocabulary::Merge merge = vocabulary.findMerge(left, right);
    if (merge.id == kNoToken)
      return std::nullopt;
    return PairMatch<Order>{merge.rank, merge.id};
  }
};

} // namespace

/// The bytes after the first that a first byte promises, or -1 for none.
static int continuationBytes(uint8_t first) {
  if (first < 0x80)
    return 0;
  if (first < 0xC0 || first >= 0xF8)
    return -1;
  return first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
}

/// The character that `text` begins with, however long it is spelt; more than
/// `kLastCharacter` if it begins with none.
static uint32_t decodeFirst(std::string_view text, int continuation) {
  constexpr uint32_t kNone = kLastCharacter + 1;
  if (continuation < 0 || size_t(continuation) >= text.size())
    return kNone;
  if (continuation == 0)
    return uint8_t(text[0]);
  uint32_t character = uint8_t(text[0]) & (0x3F >> continuation);
  for (int i = 1; i <= continuation; ++i) {
    if ((uint8_t(text[i]) & 0xC0) != 0x80)
      return kNone;
    character = character << 6 | (uint8_t(text[i]) & 0x3F);
  }
  return character;
}

static void append(std::string &text, uint32_t character) {
  if (character < 0x80) {
    text += char(character);
    return;
  }
  int continuation = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  constexpr uint8_t kFirst[] = {0, 0xC0, 0xE0, 0xF0};
  text += char(kFirst[continuation] | character >> 6 * continuation);
  while (continuation-- > 0)
    text += char(0x80 | (character >> 6 * continuation & 0x3F));
}

/// `text` with U+FFFD for every byte that belongs to no character, as
/// llama.cpp sees it: it takes what it decodes for a character even where
/// Unicode has none (surrogates) or a shorter spelling. It ends the process at
/// numbers beyond the last character, whose bytes are taken for broken here.
static std::string repair(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  while (!text.empty()) {
    int continuation = continuationBytes(uint8_t(text[0]));
    uint32_t character = decodeFirst(text, continuation);
    bool broken = character > kLastCharacter;
    if (broken)
      repaired += kReplacement;
    else
      append(repaired, character);
    text.remove_prefix(broken ? 1 : size_t(continuation) + 1);
  }
  return repaired;
}

void flow::text::mergeByRank(const Vocabulary &vocabulary,
                             std::string_view original,
                             std::vector<TokenId> &ids) {
  std::string repaired = repair(original);
  RankRule rule{vocabulary};
  PairMerger<RankRule> merger(vocabulary, rule);
  for (std::string_view rest = repaired; !rest.empty();) {
    bool newlines = rest[0] == '\n';
    std::string_view chunk = rest.substr(
        0, newlines ? rest.find_first_not_of('\n') : rest.find('\n'));
    rest.remove_prefix(chunk.size());
    // Published merges do not lead to every run of newlines that is a piece.
    TokenId run = newlines ? vocabulary.find(chunk) : kNoToken;
    if (run != kNoToken && !vocabulary.isMarker(run))
      ids.push_back(run);
    else
      merger.run(chunk, ids);
  }
}
