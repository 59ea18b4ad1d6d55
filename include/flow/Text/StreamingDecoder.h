// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Token ids to text, one at a time, never half a character.

#ifndef FLOW_TEXT_STREAMINGDECODER_H
#define FLOW_TEXT_STREAMINGDECODER_H

#include "flow/Text/Vocabulary.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace flow::text {

/// The bytes that `id` stands for in a text: U+2581 as a space in `Normal`
/// pieces, `UserDefined` pieces verbatim, one byte for a `Byte` piece, nothing
/// for all others and for ids outside the vocabulary (a model's logits may have
/// padding rows). Not necessarily whole characters.
std::string tokenBytes(const Vocabulary &vocabulary, TokenId id);

/// Turns a stream of tokens into a stream of valid UTF-8.
///
/// Whatever the tokens, the concatenation of all returned strings is valid
/// UTF-8, and each returned string is so by itself: the bytes of an unfinished
/// character are held back until it is finished. Malformed bytes come out as
/// U+FFFD, one for each maximal part of a character, as the Unicode Standard
/// (3.9, "U+FFFD Substitution of Maximal Subparts") recommends. A leading space
/// is kept.
class StreamingDecoder {
public:
  /// Keeps a reference: `vocabulary` must outlive the decoder and stay where it
  /// is.
  explicit StreamingDecoder(const Vocabulary &vocabulary)
      : vocab(&vocabulary) {}
  explicit StreamingDecoder(const Vocabulary &&) = delete;

  /// The text that `id` completes; often empty for `Byte` pieces, always for
  /// markers.
  std::string push(TokenId id);

  /// Ends the text: U+FFFD if a character was left unfinished, else nothing.
  /// The decoder is then as new.
  std::string flush();

private:
  void pushByte(uint8_t byte, std::string &text);

  const Vocabulary *vocab;
  std::string pending;   ///< the bytes of a character that has begun
  int missing = 0;       ///< how many more it needs
  uint8_t lowest = 0x80; ///< the range that the next of them must be in
  uint8_t highest = 0xBF;
};

} // namespace flow::text

#endif // FLOW_TEXT_STREAMINGDECODER_H
