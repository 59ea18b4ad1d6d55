// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A hand-made vocabulary, small enough to tokenize with in one's head.

#ifndef FLOW_TEST_UNIT_TEXT_TESTVOCABULARY_H
#define FLOW_TEST_UNIT_TEXT_TESTVOCABULARY_H

#include "flow/Text/Vocabulary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flow::text::test {

/// Appends one piece and returns its id.
inline TokenId add(VocabularyData &data, std::string piece, TokenType type,
                   float score = 0) {
  data.pieces.push_back(std::move(piece));
  data.types.push_back(int32_t(type));
  data.scores.push_back(score);
  return TokenId(data.pieces.size() - 1);
}

/// Appends `<0x00>` to `<0xFF>`.
inline void addBytes(VocabularyData &data) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte)
    add(data, std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + ">",
        TokenType::Byte);
}

/// Four markers, the bytes, and `hello world` with the steps towards it:
/// h+e, l+l, he+ll, hell+o; o+r, w+or, wor+ld; ▁+world.
inline VocabularyData smallData() {
  VocabularyData data;
  data.pad = add(data, "<pad>", TokenType::Control);
  data.eos = add(data, "<eos>", TokenType::Control);
  data.bos = add(data, "<bos>", TokenType::Control);
  data.unk = add(data, "<unk>", TokenType::Unknown);
  add(data, "<start_of_turn>", TokenType::Control);
  add(data, "<end_of_turn>", TokenType::Control);
  for (const char *newlines : {"\n", "\n\n", "\n\n\n"})
    add(data, newlines, TokenType::UserDefined);
  add(data, "</s>", TokenType::UserDefined);
  add(data, "[PAD 7]", TokenType::Unused);
  addBytes(data);
  float score = 0;
  for (const char *piece : {"he",
                            "ll",
                            "or",
                            "ld",
                            "hell",
                            "wor",
                            "hello",
                            "world",
                            "\xE2\x96\x81world",
                            "\xE2\x96\x81\xE2\x96\x81",
                            "\xE2\x96\x81",
                            "h",
                            "e",
                            "l",
                            "o",
                            "w",
                            "r",
                            "d",
                            "s",
                            "\xC3\xA4" /*ä*/})
    add(data, piece, TokenType::Normal, --score);
  return data;
}

/// The same words under `Algorithm::Bpe`, with the markers of Gemma 4 as
/// published files store them. The scores contradict the merges.
inline VocabularyData rankedData() {
  VocabularyData data;
  data.algorithm = Algorithm::Bpe;
  data.pad = add(data, "<pad>", TokenType::Control);
  data.eos = add(data, "<eos>", TokenType::Normal);
  data.bos = add(data, "<bos>", TokenType::Control);
  data.unk = add(data, "<unk>", TokenType::Control);
  add(data, "<|turn>", TokenType::Control);
  add(data, "<turn|>", TokenType::Control);
  for (const char *marker :
       {"<|channel>", "<channel|>", "<|tool_response>", "<tool_response|>"})
    add(data, marker, TokenType::UserDefined);
  for (const char *text : {"</s>", "\n", "\n\n", "\n\n\n"})
    add(data, text, TokenType::Normal);
  addBytes(data);
  for (const char *piece : {"\xE2\x96\x81", "h", "e", "l", "o", "w", "r", "d",
                            "s", "\xC3\xA4" /*ä*/})
    add(data, piece, TokenType::Normal);
  float score = 0;
  for (auto [left, right] : {std::pair("l", "l"),
                             {"h", "e"},
                             {"he", "ll"},
                             {"hell", "o"},
                             {"o", "r"},
                             {"l", "d"},
                             {"\xE2\x96\x81", "w"},
                             {"\xE2\x96\x81w", "or"},
                             {"\xE2\x96\x81wor", "ld"},
                             {"\xE2\x96\x81", "\xE2\x96\x81"}}) {
    add(data, std::string(left) + right, TokenType::Normal, ++score);
    data.merges.push_back(std::string(left) + " " + right);
  }
  data.merges.push_back("\n \n");
  return data;
}

/// Appends the piece that `left` and `right` make, unless it is there, and the
/// merge.
inline void addMerge(VocabularyData &data, const std::string &left,
                     const std::string &right) {
  std::string both = left + right;
  if (std::find(data.pieces.begin(), data.pieces.end(), both) ==
      data.pieces.end())
    add(data, both, TokenType::Normal);
  data.merges.push_back(left + " " + right);
}

/// The vocabulary of `data`, which must be valid.
inline Vocabulary make(VocabularyData data) {
  Result<Vocabulary> vocabulary = Vocabulary::create(std::move(data));
  if (!vocabulary)
    ADD_FAILURE() << vocabulary.error();
  return *std::move(vocabulary);
}

inline Vocabulary smallVocabulary() { return make(smallData()); }

/// The pieces of `ids`, to be read in a failing test.
inline std::vector<std::string> spell(const Vocabulary &vocabulary,
                                      const std::vector<TokenId> &ids) {
  std::vector<std::string> pieces;
  for (TokenId id : ids)
    pieces.push_back(vocabulary.contains(id) ? vocabulary.piece(id) : "?");
  return pieces;
}

using Pieces = std::vector<std::string>;

} // namespace flow::text::test

#endif // FLOW_TEST_UNIT_TEXT_TESTVOCABULARY_H
