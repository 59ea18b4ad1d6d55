// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Special pieces cut out of a text, and the segments of a text put together.

#include "flow/Text/Tokenizer.h"

#include "MergePieces.h"

#include <algorithm>
#include <cstddef>

using namespace flow;
using namespace flow::text;

namespace {

constexpr std::string_view kEscapedSpace = "\xE2\x96\x81"; // U+2581

} // namespace

Tokenizer::Tokenizer(const Vocabulary &vocabulary)
    : vocab(&vocabulary), strikeEnd(vocabulary.algorithm() == Algorithm::Spm
                                        ? vocabulary.find("</s>")
                                        : kNoToken) {
  specialLengths = {collectSpecialLengths(false), collectSpecialLengths(true)};
}

/// Whether step 1 cuts `id` out of a text.
bool Tokenizer::isSpecial(TokenId id, bool parseSpecial) const {
  // `</s>` is the end of struck-out HTML text in Gemma's vocabulary, and the
  // end of a sequence in others. llama.cpp takes it for the latter by its
  // spelling alone, so that it is cut out like a marker whatever its type;
  // ids would differ from those of llama.cpp without this line. It knows better
  // in Gemma 4, see `Vocabulary::create`.
  if (id == strikeEnd)
    return parseSpecial;
  switch (vocab->type(id)) {
  case TokenType::UserDefined:
    return true;
  case TokenType::Control:
  case TokenType::Unknown:
    return parseSpecial;
  case TokenType::Normal:
  case TokenType::Unused:
  case TokenType::Byte:
    return false;
  }
  return false;
}

std::vector<Tokenizer::SpecialLength>
Tokenizer::collectSpecialLengths(bool parseSpecial) const {
  std::vector<SpecialLength> byLength(vocab->longestPiece() + 1);
  for (TokenId id = 0; vocab->contains(id); ++id) {
    if (!isSpecial(id, parseSpecial))
      continue;
    const std::string &piece = vocab->piece(id);
    byLength[piece.size()].length = piece.size();
    byLength[piece.size()].firstBytes.set(uint8_t(piece.front()));
  }
  std::vector<SpecialLength> lengths;
  for (size_t length = byLength.size(); length-- > 0;)
    if (byLength[length].length != 0)
      lengths.push_back(byLength[length]);
  return lengths;
}

/// The special pieces of `text` in order of position, none overlapping another.
///
/// Searching the text for one piece after another, as step 1 is worded, takes
/// as many passes as there are special pieces (6,400 in Gemma 3). Here a pass
/// finds all pieces of one length. What is already cut out is at least as long,
/// so a match that touches it has its first or its last byte in it.
std::vector<Tokenizer::Match> Tokenizer::cutSpecials(std::string_view text,
                                                     bool parseSpecial) const {
  std::bitset<256> firstBytes;
  for (const SpecialLength &special : specialLengths[parseSpecial])
    firstBytes |= special.firstBytes;
  std::vector<size_t> starts;
  for (size_t begin = 0; begin < text.size(); ++begin)
    if (firstBytes[uint8_t(text[begin])])
      starts.push_back(begin);

  std::vector<Match> cuts;
  if (starts.empty())
    return cuts;

  std::vector<bool> taken(text.size());
  std::vector<Match> found;
  for (const SpecialLength &special : specialLengths[parseSpecial]) {
    size_t length = special.length;
    found.clear();
    for (size_t begin : starts) {
      if (length > text.size() - begin)
        break;
      if (!special.firstBytes[uint8_t(text[begin])] || taken[begin])
        continue; // spares the look-up of what is gone for sure
      TokenId id = vocab->find(text.substr(begin, length));
      if (id != kNoToken && isSpecial(id, parseSpecial))
        found.push_back({begin, id});
    }
    std::sort(found.begin(), found.end(), [](const Match &a, const Match &b) {
      return a.id < b.id || (a.id == b.id && a.begin < b.begin);
    });
    for (const Match &match : found) {
      if (taken[match.begin] || taken[match.begin + length - 1])
        continue;
      std::fill_n(taken.begin() + ptrdiff_t(match.begin), length, true);
      cuts.push_back(match);
    }
  }
  std::sort(cuts.begin(), cuts.end(),
            [](const Match &a, const Match &b) { return a.begin < b.begin; });
  return cuts;
}

/// Steps 2 to 4 for a text without special pieces.
void Tokenizer::encodeFragment(std::string_view text, bool spacePrefix,
                               std::vector<TokenId> &ids) const {
  std::string escaped;
  escaped.reserve(text.size() + text.size() / 2);
  if (spacePrefix)
    escaped += kEscapedSpace;
  for (char c : text) {
    if (c == ' ')
      escaped += kEscapedSpace;
    else
      escaped += c;
  }
  switch (vocab->algorithm()) {
  case Algorithm::Spm:
    return mergeByScore(*vocab, escaped, ids);
  case Algorithm::Bpe:
    return mergeByRank(*vocab, escaped, ids);
  }
}

/// Appends the ids of `text`. `afterMarker` and the result tell whether what
/// stands before, and at the end, is a special piece or nothing.
bool Tokenizer::encodeSegment(std::string_view text, bool parseSpecial,
                              bool afterMarker,
                              std::vector<TokenId> &ids) const {
  size_t done = 0;
  for (const Match &cut : cutSpecials(text, parseSpecial)) {
    if (cut.begin > done)
      encodeFragment(text.substr(done, cut.begin - done),
                     afterMarker && vocab->addSpacePrefix(), ids);
    ids.push_back(cut.id);
    afterMarker = true;
    done = cut.begin + vocab->piece(cut.id).size();
  }
  if (done == text.size())
    return afterMarker;
  encodeFragment(text.substr(done), afterMarker && vocab->addSpacePrefix(),
                 ids);
  return false;
}

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text,
                                               EncodeOptions options) const {
  if (text.size() > kMaxTextBytes)
    return Error{"text: expected at most " + std::to_string(kMaxTextBytes) +
                 " bytes, found " + std::to_string(text.size())};
  std::vector<TokenId> ids;
  if (options.addSpecial && vocab->addBos())
    ids.push_back(vocab->bos());
  encodeSegment(text, options.parseSpecial, /*afterMarker=*/true, ids);
  return ids;
}

Result<std::vector<TokenId>>
Tokenizer::encode(const std::vector<Segment> &segments, bool addSpecial) const {
  size_t total = 0;
  for (const Segment &segment : segments) {
    if (segment.text.size() > kMaxTextBytes - total)
      return Error{"text: expected at most " + std::to_string(kMaxTextBytes) +
                   " bytes in all segments, found more"};
    total += segment.text.size();
  }
  std::vector<TokenId> ids;
  if (addSpecial && vocab->addBos())
    ids.push_back(vocab->bos());
  bool afterMarker = true;
  for (const Segment &segment : segments)
    afterMarker =
        encodeSegment(segment.text, segment.parseSpecial, afterMarker, ids);
  return ids;
}
