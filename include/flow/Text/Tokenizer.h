// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Text to token ids, whichever way the vocabulary's pieces are to be merged.

#ifndef FLOW_TEXT_TOKENIZER_H
#define FLOW_TEXT_TOKENIZER_H

#include "flow/Support/Result.h"
#include "flow/Text/Vocabulary.h"

#include <array>
#include <bitset>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace flow::text {

/// A stretch of text with the trust it deserves.
struct Segment {
  std::string text;
  /// Whether the spelling of a marker (`<end_of_turn>`) is that marker. False
  /// for anything a user wrote.
  bool parseSpecial = false;
};

/// What `Tokenizer::encode` does besides cutting the text into pieces.
struct EncodeOptions {
  /// Prepend the vocabulary's `bos`, once, if the vocabulary has `addBos`. A
  /// text that spells `<bos>` itself then has it twice.
  bool addSpecial = true;
  /// As `Segment::parseSpecial`.
  bool parseSpecial = false;
};

/// The tokenizer of every Gemma, id for id that of llama.cpp:
///
/// 1. Cut out the special pieces, longest first, equal lengths in order of id,
///    each at all its leftmost occurrences in what is still text: `UserDefined`
///    pieces always, `Control` and `Unknown` ones under `parseSpecial` only.
/// 2. In every remaining fragment prepend a space if the vocabulary asks for it
///    and no text stands before, and write U+2581 for each space.
/// 3. Split it into UTF-8 characters and merge adjacent pairs until none is
///    left, under
///    - `Algorithm::Spm` the pair whose concatenation is the piece with the
///      highest score,
///    - `Algorithm::Bpe` the pair that the earliest of the merges names, within
///      each run of newlines and each text between them; a run of newlines
///      that is a piece is not split at all;
///    the leftmost if there are several.
/// 4. A character that is no piece becomes one `Byte` piece for each byte.
///
/// Any byte string, NUL included, can be encoded. Under `Spm` a character's
/// length is read off its first byte alone and cut at the end of the fragment;
/// continuation bytes and text after a broken lead byte are not checked. Under
/// `Bpe` each byte that belongs to no character is U+FFFD.
///
/// Merging never makes a `Control` or `Unknown` piece: without `parseSpecial`
/// no text whatever can smuggle a marker in. In published Gemma vocabularies no
/// marker can be merged anyway, so this costs no agreement. Gemma 4's markers
/// of channels and tool calls are `UserDefined`, though, and not kept out.
///
/// Thread-safe; time O(n log n), memory O(n) in the length of the text.
class Tokenizer {
public:
  /// The longest text of one call, all segments together, in bytes.
  static constexpr size_t kMaxTextBytes = size_t(1) << 29;

  /// Keeps a reference: `vocabulary` must outlive the tokenizer and stay where
  /// it is.
  explicit Tokenizer(const Vocabulary &vocabulary);
  explicit Tokenizer(const Vocabulary &&) = delete;

  /// The ids of `text`. Fails only if it is longer than `kMaxTextBytes`.
  Result<std::vector<TokenId>> encode(std::string_view text,
                                      EncodeOptions options = {}) const;

  /// The ids of the segments in order. No piece spans two segments; `bos` comes
  /// once, before the first, if `addSpecial` and the vocabulary ask for it.
  Result<std::vector<TokenId>> encode(const std::vector<Segment> &segments,
                                      bool addSpecial = true) const;

  const Vocabulary &vocabulary() const { return *vocab; }

private:
  /// The special pieces of one length, known by their first bytes.
  struct SpecialLength {
    size_t length = 0;
    std::bitset<256> firstBytes;
  };
  /// A special piece found in a text.
  struct Match {
    size_t begin;
    TokenId id;
  };

  bool isSpecial(TokenId id, bool parseSpecial) const;
  std::vector<SpecialLength> collectSpecialLengths(bool parseSpecial) const;
  std::vector<Match> cutSpecials(std::string_view text,
                                 bool parseSpecial) const;
  bool encodeSegment(std::string_view text, bool parseSpecial, bool afterMarker,
                     std::vector<TokenId> &ids) const;
  void encodeFragment(std::string_view text, bool spacePrefix,
                      std::vector<TokenId> &ids) const;

  const Vocabulary *vocab;
  TokenId strikeEnd; ///< `</s>`, which needs a rule of its own
  /// Indexed by `parseSpecial`; lengths descend.
  std::array<std::vector<SpecialLength>, 2> specialLengths;
};

} // namespace flow::text

#endif // FLOW_TEXT_TOKENIZER_H
