// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pieces of a tokenizer, checked once, with the way from a text to its id.

#ifndef FLOW_TEXT_VOCABULARY_H
#define FLOW_TEXT_VOCABULARY_H

#include "flow/Support/Result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flow::text {

/// The number of a piece, from 0. Negative values name no piece.
using TokenId = int32_t;

/// Stands for "there is no such token".
constexpr TokenId kNoToken = -1;

/// What a piece is for. The numbers are those of `tokenizer.ggml.token_type`
/// in a GGUF file.
enum class TokenType : int32_t {
  Normal = 1,      ///< text; U+2581 stands for a space
  Unknown = 2,     ///< the piece for what nothing else covers
  Control = 3,     ///< a marker that is not text, such as `<bos>`
  UserDefined = 4, ///< text that is cut out before merging, stored verbatim
  Unused = 5,      ///< a hole in the numbering
  Byte = 6,        ///< one raw byte, spelled `<0x00>` to `<0xFF>`
};

/// What makes pieces of characters: `tokenizer.ggml.model` in a GGUF file.
enum class Algorithm {
  Spm, ///< `llama` (Gemma 1 to 3): pairs merge by the score of their piece
  Bpe, ///< `gemma4`: pairs merge by a list of merges
};

/// Everything a model file says about its tokenizer. `pieces`, `scores` and
/// `types` run in parallel, one entry a token.
struct VocabularyData {
  Algorithm algorithm = Algorithm::Spm;
  std::vector<std::string> pieces; ///< bytes, usually UTF-8
  std::vector<float> scores;       ///< higher merges earlier
  std::vector<int32_t> types;      ///< values of `TokenType`
  /// Under `Bpe` only: the pairs "left right", what merges earlier first.
  std::vector<std::string> merges;
  TokenId bos = kNoToken;      ///< beginning of a sequence
  TokenId eos = kNoToken;      ///< end of a sequence
  TokenId unk = kNoToken;      ///< unknown
  TokenId pad = kNoToken;      ///< padding
  std::vector<TokenId> ends;   ///< what ends an answer besides `eos`
  bool addBos = true;          ///< start every sequence with `bos`
  bool addSpacePrefix = false; ///< a space before a text and after markers
};

/// An immutable, validated set of pieces. Movable; `find` and the accessors
/// may be called from several threads.
class Vocabulary {
public:
  /// The longest piece accepted, in bytes. Known Gemma vocabularies end at 93.
  static constexpr size_t kMaxPieceBytes = 1024;
  /// The largest number of pieces accepted. Known vocabularies end at 262,144.
  static constexpr size_t kMaxPieces = size_t(1) << 22;
  /// The largest number of merges accepted. Gemma 4 has 514,906.
  static constexpr size_t kMaxMerges = size_t(1) << 22;

  /// What a pair of pieces becomes, and how many merges go before it.
  struct Merge {
    int32_t rank = -1;
    TokenId id = kNoToken;
  };

  /// Takes over `data` after checking that
  /// - there is at least one piece, at most `kMaxPieces`, and as many scores
  ///   and types;
  /// - every piece has 1 to `kMaxPieceBytes` bytes and no other is equal;
  /// - no score is NaN and every type is a `TokenType`;
  /// - the pieces of type `Byte` are exactly `<0x00>` to `<0xFF>` (upper case),
  ///   without which some texts could not be encoded;
  /// - each of the four special ids is `kNoToken` or the id of a piece, so is
  ///   each of `ends`, and `addBos` comes with `bos`;
  /// - there are at most `kMaxMerges` merges, none twice, each of two pieces
  ///   with one space between whose concatenation is a piece.
  ///
  /// Markers that end a generation get the type `Control` whatever the file
  /// says, because published files store some of them as `Normal`. Under `Bpe`
  /// the HTML tag `</s>` becomes `Normal`, as llama.cpp does with Gemma 4,
  /// because it ends nothing there.
  static Result<Vocabulary> create(VocabularyData data);

  /// The number of pieces. A model's logits may have more rows (padding).
  size_t size() const { return data.pieces.size(); }
  bool contains(TokenId id) const { return id >= 0 && size_t(id) < size(); }

  /// The id of exactly these bytes, or `kNoToken`.
  TokenId find(std::string_view text) const;

  /// These four need `contains(id)`.
  const std::string &piece(TokenId id) const { return data.pieces[id]; }
  float score(TokenId id) const { return data.scores[id]; }
  TokenType type(TokenId id) const { return TokenType(data.types[id]); }
  /// The byte that a piece of type `Byte` stands for.
  uint8_t byteOf(TokenId id) const;

  /// Whether `id`, which must be in the vocabulary, stands for no text: a
  /// marker, or the unknown.
  bool isMarker(TokenId id) const {
    return type(id) == TokenType::Control || type(id) == TokenType::Unknown;
  }

  Algorithm algorithm() const { return data.algorithm; }

  /// The merge of two ids, either of which may be `kNoToken`. Its id is
  /// `kNoToken` if there is none, or if it would make a marker.
  Merge findMerge(TokenId left, TokenId right) const;

  /// The piece of type `Byte` for `byte`.
  TokenId byteToken(uint8_t byte) const { return byteTokens[byte]; }

  /// Whether sampling `id` ends the answer: the file's `eos` or one of
  /// its `ends`, or one of the markers `<eos>`, `<end_of_turn>`, `<turn|>`,
  /// `<|tool_response>`, found by their text because files disagree on which of
  /// them `eos` is.
  bool isEndOfGeneration(TokenId id) const;
  /// The same as a list, ascending, without duplicates.
  const std::vector<TokenId> &endOfGeneration() const { return endIds; }

  TokenId bos() const { return data.bos; }
  TokenId eos() const { return data.eos; }
  TokenId unk() const { return data.unk; }
  TokenId pad() const { return data.pad; }
  bool addBos() const { return data.addBos; }
  bool addSpacePrefix() const { return data.addSpacePrefix; }

  /// The length of the longest piece in bytes.
  size_t longestPiece() const { return longest; }

private:
  /// A slot of the open-addressing table. The hash decides nearly every
  /// comparison without touching the piece.
  struct Slot {
    uint32_t hash = 0;
    TokenId id = kNoToken;
  };
  /// The same for merges.
  struct MergeSlot {
    TokenId left = kNoToken;
    TokenId right = kNoToken;
    Merge merge;
  };

  explicit Vocabulary(VocabularyData data) : data(std::move(data)) {}

  // Each returns why `data` is refused, or nothing.
  std::string checkShape() const;
  std::string checkPieces();
  std::string checkByteTokens();
  std::string checkSpecialIds() const;
  std::string indexPieces();
  std::string indexMerges();
  std::string parseMerge(size_t rank, MergeSlot &slot) const;
  void collectEndOfGeneration();
  size_t mergePlace(TokenId left, TokenId right) const;

  VocabularyData data;
  std::vector<Slot> slots;           ///< a power of two, at most half full
  std::vector<MergeSlot> mergeSlots; ///< likewise; empty without merges
  std::array<TokenId, 256> byteTokens{};
  std::vector<TokenId> endIds;
  size_t longest = 0;
};

} // namespace flow::text

#endif // FLOW_TEXT_VOCABULARY_H
