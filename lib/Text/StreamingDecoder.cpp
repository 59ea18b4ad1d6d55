// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Token ids to text, one at a time, never half a character.

#include "flow/Text/StreamingDecoder.h"

#include <utility>

using namespace flow;
using namespace flow::text;

namespace {

constexpr std::string_view kEscapedSpace = "\xE2\x96\x81"; // U+2581
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

} // namespace

std::string flow::text::tokenBytes(const Vocabulary &vocabulary, TokenId id) {
  if (!vocabulary.contains(id))
    return "";
  switch (vocabulary.type(id)) {
  case TokenType::UserDefined:
    return vocabulary.piece(id);
  case TokenType::Byte:
    return std::string(1, char(vocabulary.byteOf(id)));
  case TokenType::Normal:
    break;
  case TokenType::Unknown:
  case TokenType::Control:
  case TokenType::Unused:
    return "";
  }
  std::string_view rest = vocabulary.piece(id);
  std::string bytes;
  for (size_t at; (at = rest.find(kEscapedSpace)) != std::string_view::npos;
       rest.remove_prefix(at + kEscapedSpace.size())) {
    bytes += rest.substr(0, at);
    bytes += ' ';
  }
  bytes += rest;
  return bytes;
}

/// Well-formed sequences are those of table 3-7 of the Unicode Standard: only
/// the second byte is ever restricted further than to 80..BF.
void StreamingDecoder::pushByte(uint8_t byte, std::string &text) {
  if (missing > 0) {
    if (byte >= lowest && byte <= highest) {
      pending += char(byte);
      lowest = 0x80;
      highest = 0xBF;
      if (--missing == 0)
        text += std::exchange(pending, {});
      return;
    }
    // The character ends before this byte, which may begin another.
    text += flush();
  }
  if (byte < 0x80) {
    text += char(byte);
    return;
  }
  if (byte < 0xC2 || byte > 0xF4) {
    text += kReplacement;
    return;
  }
  pending = char(byte);
  missing = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  if (byte == 0xE0) // else overlong
    lowest = 0xA0;
  if (byte == 0xED) // else a surrogate
    highest = 0x9F;
  if (byte == 0xF0) // else overlong
    lowest = 0x90;
  if (byte == 0xF4) // else above U+10FFFF
    highest = 0x8F;
}

std::string StreamingDecoder::push(TokenId id) {
  std::string text;
  for (char c : tokenBytes(*vocab, id))
    pushByte(uint8_t(c), text);
  return text;
}

std::string StreamingDecoder::flush() {
  bool unfinished = missing > 0;
  pending.clear();
  missing = 0;
  lowest = 0x80;
  highest = 0xBF;
  return std::string(unfinished ? kReplacement : "");
}
