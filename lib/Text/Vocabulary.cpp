// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pieces of a tokenizer, checked once, with the way from a text to its id.

#include "flow/Text/Vocabulary.h"

#include "Quote.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace flow;
using namespace flow::text;

/// The value of an upper-case hexadecimal digit, or -1.
static int hexValue(char digit) {
  if (digit >= '0' && digit <= '9')
    return digit - '0';
  if (digit >= 'A' && digit <= 'F')
    return digit - 'A' + 10;
  return -1;
}

/// The byte that `<0xNN>` spells, or -1 for any other text.
static int parseByteToken(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>')
    return -1;
  int high = hexValue(text[3]), low = hexValue(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/// Eight bytes a step, because pieces are looked up some million times in a
/// long prompt; the multiplier is 2^64 divided by the golden ratio, made odd.
static uint64_t hashBytes(std::string_view text) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  uint64_t hash = text.size() * kMultiplier;
  while (!text.empty()) {
    uint64_t word = 0;
    size_t count = std::min(text.size(), sizeof(word));
    std::memcpy(&word, text.data(), count);
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 29;
    text.remove_prefix(count);
  }
  return hash * kMultiplier;
}

namespace {

/// Both halves of the hash: where to look, and what to compare first.
struct HashedText {
  explicit HashedText(std::string_view text) {
    uint64_t hash = hashBytes(text);
    place = size_t(hash >> 32);
    tag = uint32_t(hash >> 3);
  }
  size_t place;
  uint32_t tag;
};

} // namespace

static std::string atPiece(size_t id) {
  return "tokenizer piece " + std::to_string(id);
}

Result<Vocabulary> Vocabulary::create(VocabularyData data) {
  Vocabulary vocabulary(std::move(data));
  std::string error = vocabulary.checkShape();
  if (error.empty())
    error = vocabulary.checkPieces();
  if (error.empty())
    error = vocabulary.indexPieces();
  if (error.empty())
    error = vocabulary.checkByteTokens();
  if (error.empty())
    error = vocabulary.checkSpecialIds();
  if (!error.empty())
    return Error{std::move(error)};
  // Types first: what has become a marker cannot be merged.
  vocabulary.collectEndOfGeneration();
  error = vocabulary.indexMerges();
  if (!error.empty())
    return Error{std::move(error)};
  return vocabulary;
}

std::string Vocabulary::checkShape() const {
  size_t count = data.pieces.size();
  if (count == 0 || count > kMaxPieces)
    return "tokenizer: expected 1 to " + std::to_string(kMaxPieces) +
           " pieces, found " + std::to_string(count);
  if (data.scores.size() != count)
    return "tokenizer: expected " + std::to_string(count) +
           " scores, one a piece, found " + std::to_string(data.scores.size());
  if (data.types.size() != count)
    return "tokenizer: expected " + std::to_string(count) +
           " token types, one a piece, found " +
           std::to_string(data.types.size());
  return "";
}

std::string Vocabulary::checkPieces() {
  for (size_t id = 0; id < size(); ++id) {
    size_t length = data.pieces[id].size();
    if (length == 0 || length > kMaxPieceBytes)
      return atPiece(id) + ": expected 1 to " + std::to_string(kMaxPieceBytes) +
             " bytes, found " + std::to_string(length);
    // A NaN has no place in the order of merges.
    if (std::isnan(data.scores[id]))
      return atPiece(id) + ": expected a score, found NaN";
    int32_t type = data.types[id];
    if (type < int32_t(TokenType::Normal) || type > int32_t(TokenType::Byte))
      return atPiece(id) + ": expected a token type from 1 to 6, found " +
             std::to_string(type);
    longest = std::max(longest, length);
  }
  return "";
}

std::string Vocabulary::indexPieces() {
  size_t capacity = 1;
  while (capacity < 2 * size())
    capacity *= 2;
  slots.resize(capacity);
  for (size_t id = 0; id < size(); ++id) {
    const std::string &piece = data.pieces[id];
    HashedText hashed(piece);
    size_t place = hashed.place & (capacity - 1);
    for (; slots[place].id != kNoToken; place = (place + 1) & (capacity - 1)) {
      const Slot &taken = slots[place];
      if (taken.hash == hashed.tag && data.pieces[taken.id] == piece)
        return atPiece(id) + ": expected a text that no other piece has, " +
               "found " + quoted(piece) + " of piece " +
               std::to_string(taken.id);
    }
    slots[place] = {hashed.tag, TokenId(id)};
  }
  return "";
}

TokenId Vocabulary::find(std::string_view text) const {
  if (text.size() > longest)
    return kNoToken;
  HashedText hashed(text);
  size_t mask = slots.size() - 1;
  // The table is at most half full, so that an empty slot ends every search.
  for (size_t place = hashed.place & mask; slots[place].id != kNoToken;
       place = (place + 1) & mask) {
    const Slot &slot = slots[place];
    if (slot.hash == hashed.tag && data.pieces[slot.id] == text)
      return slot.id;
  }
  return kNoToken;
}

std::string Vocabulary::checkByteTokens() {
  byteTokens.fill(kNoToken);
  for (size_t id = 0; id < size(); ++id) {
    if (type(TokenId(id)) != TokenType::Byte)
      continue;
    int byte = parseByteToken(data.pieces[id]);
    if (byte < 0)
      return atPiece(id) + ": expected a byte token from <0x00> to <0xFF>, " +
             "found " + quoted(data.pieces[id]);
    byteTokens[byte] = TokenId(id);
  }
  for (size_t byte = 0; byte < byteTokens.size(); ++byte) {
    if (byteTokens[byte] != kNoToken)
      continue;
    constexpr char kHex[] = "0123456789ABCDEF";
    std::string digits = {kHex[byte >> 4], kHex[byte & 15]};
    return "tokenizer: expected all 256 byte tokens, found none for <0x" +
           digits + ">, so that some texts cannot be encoded";
  }
  return "";
}

std::string Vocabulary::checkSpecialIds() const {
  struct NamedId {
    const char *name;
    TokenId id;
  };
  std::vector<NamedId> ids = {{"bos", data.bos},
                              {"eos", data.eos},
                              {"unk", data.unk},
                              {"pad", data.pad}};
  for (TokenId id : data.ends)
    ids.push_back({"end", id});
  for (const NamedId &special : ids)
    if (special.id != kNoToken && !contains(special.id))
      return std::string("tokenizer: expected the ") + special.name +
             " id to be below " + std::to_string(size()) + ", found " +
             std::to_string(special.id);
  if (data.addBos && data.bos == kNoToken)
    return "tokenizer: expected a bos id, because every sequence is to start "
           "with it, found none";
  return "";
}

/// Where the search for a merge begins. The ids are mixed so that neighbouring
/// ones, which are frequent, lie far apart.
size_t Vocabulary::mergePlace(TokenId left, TokenId right) const {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  uint64_t hash = (uint64_t(uint32_t(left)) << 32 | uint32_t(right));
  hash = (hash ^ hash >> 29) * kMultiplier;
  hash = (hash ^ hash >> 32) * kMultiplier;
  return size_t(hash >> 32) & (mergeSlots.size() - 1);
}

/// Fills `slot` from the text of one merge.
std::string Vocabulary::parseMerge(size_t rank, MergeSlot &slot) const {
  std::string where = "tokenizer merge " + std::to_string(rank);
  std::string_view text = data.merges[rank];
  size_t space = text.find(' ');
  if (space == 0 || space == std::string_view::npos ||
      space + 1 == text.size() ||
      text.find(' ', space + 1) != std::string_view::npos)
    return where + ": expected two pieces with one space between, found " +
           quoted(text);
  std::string_view left = text.substr(0, space), right = text.substr(space + 1);
  std::string both = std::string(left) + std::string(right);
  slot.left = find(left);
  slot.right = find(right);
  slot.merge = {int32_t(rank), find(both)};
  auto missing = [&](std::string_view piece) {
    return where + ": expected pieces of the vocabulary, found " +
           quoted(piece) + ", which is none";
  };
  if (slot.left == kNoToken)
    return missing(left);
  if (slot.right == kNoToken)
    return missing(right);
  if (slot.merge.id == kNoToken)
    return missing(both);
  return "";
}

std::string Vocabulary::indexMerges() {
  size_t count = data.merges.size();
  if (count > kMaxMerges)
    return "tokenizer: expected at most " + std::to_string(kMaxMerges) +
           " merges, found " + std::to_string(count);
  if (count != 0 && data.algorithm != Algorithm::Bpe)
    return "tokenizer: expected no merges, because pieces merge by score, "
           "found " +
           std::to_string(count);
  if (count == 0)
    return "";
  size_t capacity = 1;
  while (capacity < 2 * count)
    capacity *= 2;
  mergeSlots.resize(capacity);
  for (size_t rank = 0; rank < count; ++rank) {
    MergeSlot slot;
    std::string error = parseMerge(rank, slot);
    if (!error.empty())
      return error;
    size_t place = mergePlace(slot.left, slot.right);
    for (; mergeSlots[place].left != kNoToken;
         place = (place + 1) & (capacity - 1)) {
      const MergeSlot &taken = mergeSlots[place];
      if (taken.left == slot.left && taken.right == slot.right)
        return "tokenizer merge " + std::to_string(rank) +
               ": expected a pair that no other merge has, found " +
               quoted(data.merges[rank]) + " of merge " +
               std::to_string(taken.merge.rank);
    }
    if (isMarker(slot.merge.id))
      slot.merge.id = kNoToken;
    mergeSlots[place] = slot;
  }
  data.merges = {};
  return "";
}

Vocabulary::Merge Vocabulary::findMerge(TokenId left, TokenId right) const {
  if (mergeSlots.empty())
    return {};
  // The table is at most half full, so that an empty slot ends every search,
  // also one for `kNoToken`, which no slot with a merge has.
  for (size_t place = mergePlace(left, right);
       mergeSlots[place].left != kNoToken;
       place = (place + 1) & (mergeSlots.size() - 1)) {
    const MergeSlot &slot = mergeSlots[place];
    if (slot.left == left && slot.right == right)
      return slot.merge;
  }
  return {};
}

void Vocabulary::collectEndOfGeneration() {
  for (const char *marker :
       {"<eos>", "<end_of_turn>", "<turn|>", "<|tool_response>"}) {
    TokenId id = find(marker);
    if (id == kNoToken)
      continue;
    data.types[id] = int32_t(TokenType::Control);
    endIds.push_back(id);
  }
  TokenId strikeEnd = find("</s>");
  if (data.algorithm == Algorithm::Bpe && strikeEnd != kNoToken)
    data.types[strikeEnd] = int32_t(TokenType::Normal);
  if (data.eos != kNoToken)
    endIds.push_back(data.eos);
  for (TokenId id : data.ends)
    if (id != kNoToken)
      endIds.push_back(id);
  std::sort(endIds.begin(), endIds.end());
  endIds.erase(std::unique(endIds.begin(), endIds.end()), endIds.end());
}

uint8_t Vocabulary::byteOf(TokenId id) const {
  return uint8_t(parseByteToken(data.pieces[id]));
}

bool Vocabulary::isEndOfGeneration(TokenId id) const {
  return std::binary_search(endIds.begin(), endIds.end(), id);
}
