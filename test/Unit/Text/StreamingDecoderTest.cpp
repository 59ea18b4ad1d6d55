// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ids to text: whole characters only, and valid UTF-8 whatever comes.

#include "TestVocabulary.h"

#include "flow/Text/StreamingDecoder.h"
#include "flow/Text/Tokenizer.h"

#include <random>

using namespace flow;
using namespace flow::text;
using namespace flow::text::test;

namespace {

const Vocabulary &small() {
  static const Vocabulary vocabulary = smallVocabulary();
  return vocabulary;
}

constexpr const char *kReplacement = "\xEF\xBF\xBD";

/// What each byte of `bytes` completes, then what `flush` adds.
Pieces pushBytes(std::string_view bytes) {
  StreamingDecoder decoder(small());
  Pieces texts;
  for (char byte : bytes)
    texts.push_back(decoder.push(small().byteToken(uint8_t(byte))));
  texts.push_back(decoder.flush());
  return texts;
}

std::string join(const Pieces &texts) {
  std::string result;
  for (const std::string &text : texts)
    result += text;
  return result;
}

/// Unicode's definition by code point rather than by byte ranges, to be
/// independent of the decoder.
bool isValidUtf8(std::string_view text) {
  while (!text.empty()) {
    uint8_t first = uint8_t(text[0]);
    size_t length = first < 0x80           ? 1
                    : (first >> 5) == 0x06 ? 2
                    : (first >> 4) == 0x0E ? 3
                    : (first >> 3) == 0x1E ? 4
                                           : 0;
    if (length == 0 || length > text.size())
      return false;
    uint32_t point = length == 1 ? first : first & (0x7F >> length);
    for (size_t i = 1; i < length; ++i) {
      if ((uint8_t(text[i]) >> 6) != 2)
        return false;
      point = point << 6 | (uint8_t(text[i]) & 0x3F);
    }
    const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[length] || point > 0x10FFFF ||
        (point >= 0xD800 && point <= 0xDFFF))
      return false;
    text.remove_prefix(length);
  }
  return true;
}

TEST(StreamingDecoderTest, TurnsU2581IntoSpaces) {
  StreamingDecoder decoder(small());
  EXPECT_EQ(decoder.push(small().find("\xE2\x96\x81world")), " world");
  EXPECT_EQ(decoder.push(small().find("\xE2\x96\x81\xE2\x96\x81")), "  ");
}

TEST(StreamingDecoderTest, KeepsUserDefinedPiecesVerbatim) {
  VocabularyData data = smallData();
  TokenId id = add(data, "a\xE2\x96\x81 b", TokenType::UserDefined);
  Vocabulary vocabulary = make(data);
  EXPECT_EQ(StreamingDecoder(vocabulary).push(id), "a\xE2\x96\x81 b");
}

TEST(StreamingDecoderTest, HidesWhatIsNotText) {
  StreamingDecoder decoder(small());
  for (const char *piece :
       {"<bos>", "<eos>", "<unk>", "<end_of_turn>", "[PAD 7]"})
    EXPECT_EQ(decoder.push(small().find(piece)), "") << piece;
  EXPECT_EQ(decoder.push(kNoToken), "");
  EXPECT_EQ(decoder.push(TokenId(small().size())), "");
  EXPECT_EQ(decoder.push(small().find("</s>")), "</s>");
}

TEST(StreamingDecoderTest, ShowsTheMarkersOfGemma4ThatFilesCallText) {
  Vocabulary vocabulary = make(rankedData());
  StreamingDecoder decoder(vocabulary);
  for (const char *piece :
       {"<|channel>", "<channel|>", "<tool_response|>", "</s>", "\n\n"})
    EXPECT_EQ(decoder.push(vocabulary.find(piece)), piece);
  // These end an answer, whatever files call them.
  for (const char *piece : {"<eos>", "<turn|>", "<|tool_response>"})
    EXPECT_EQ(decoder.push(vocabulary.find(piece)), "") << piece;
  EXPECT_EQ(decoder.push(vocabulary.find("\xE2\x96\x81world")), " world");
}

TEST(StreamingDecoderTest, HoldsBackAnUnfinishedCharacter) {
  EXPECT_EQ(pushBytes("\xF0\x9F\x98\x80"),
            (Pieces{"", "", "", "\xF0\x9F\x98\x80", ""}));
  EXPECT_EQ(pushBytes("a\xC3\xA4z"), (Pieces{"a", "", "\xC3\xA4", "z", ""}));
}

TEST(StreamingDecoderTest, FlushesAnUnfinishedCharacterAsReplacement) {
  EXPECT_EQ(pushBytes("\xE2"), (Pieces{"", kReplacement}));
  EXPECT_EQ(pushBytes("\xF0\x9F\x98"), (Pieces{"", "", "", kReplacement}));
}

TEST(StreamingDecoderTest, IsAsNewAfterFlush) {
  StreamingDecoder decoder(small());
  // E0 leaves a restricted range behind: 80 alone would not fit into it.
  decoder.push(small().byteToken(0xE0));
  EXPECT_EQ(decoder.flush(), kReplacement);
  EXPECT_EQ(decoder.flush(), "");
  decoder.push(small().byteToken(0xC2));
  EXPECT_EQ(decoder.push(small().byteToken(0x80)), "\xC2\x80");
}

TEST(StreamingDecoderTest, HoldsAcrossHiddenTokens) {
  StreamingDecoder decoder(small());
  decoder.push(small().byteToken(0xC3));
  EXPECT_EQ(decoder.push(small().find("<end_of_turn>")), "");
  EXPECT_EQ(decoder.push(small().byteToken(0xA4)), "\xC3\xA4");
}

TEST(StreamingDecoderTest, EndsABrokenCharacterAtTheNextText) {
  StreamingDecoder decoder(small());
  decoder.push(small().byteToken(0xE2));
  EXPECT_EQ(decoder.push(small().find("hello")),
            std::string(kReplacement) + "hello");
}

TEST(StreamingDecoderTest, ReplacesMaximalSubparts) {
  auto times = [](int count) {
    std::string text;
    while (count-- > 0)
      text += kReplacement;
    return text;
  };
  // Table 3-8 and its neighbours in the Unicode Standard, 3.9.
  EXPECT_EQ(join(pushBytes("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82"
                           "A")),
            times(8) + "A");
  EXPECT_EQ(join(pushBytes("\xED\xA0\x80\xED\xBF\xBF\xED\xAF"
                           "A")),
            times(8) + "A");
  EXPECT_EQ(join(pushBytes("\xF4\x91\x92\x93\xFF"
                           "A\x80\xBF"
                           "B")),
            times(5) + "A" + times(2) + "B");
  EXPECT_EQ(join(pushBytes("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                           "A")),
            times(4) + "A");
}

TEST(StreamingDecoderTest, KeepsTheEndsOfEveryLength) {
  for (const char *text :
       {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
        "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_EQ(join(pushBytes(text)), text);
}

TEST(StreamingDecoderTest, GivesValidUtf8ForAnyTokens) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    StreamingDecoder decoder(small());
    for (int i = 0; i < 20; ++i) {
      std::string text = decoder.push(TokenId(random() % (small().size() + 4)));
      ASSERT_TRUE(isValidUtf8(text)) << "seed " << seed;
    }
    ASSERT_TRUE(isValidUtf8(decoder.flush())) << "seed " << seed;
  }
}

TEST(StreamingDecoderTest, GivesBackWhatWasEncoded) {
  std::string text = "hello  world\n\n\xF0\x9F\x98\x80 \xC3\xA4</s> <eos>";
  StreamingDecoder decoder(small());
  std::string decoded;
  for (TokenId id : *Tokenizer(small()).encode(text))
    decoded += decoder.push(id);
  EXPECT_EQ(decoded + decoder.flush(), text);
}

} // namespace
