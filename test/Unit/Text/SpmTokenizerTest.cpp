// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Text to ids: each rule by itself, and all against a literal re-telling.

#include "TestVocabulary.h"

#include "flow/Text/Tokenizer.h"

#include <algorithm>
#include <random>

using namespace flow;
using namespace flow::text;
using namespace flow::text::test;

namespace {

const Vocabulary &small() {
  static const Vocabulary vocabulary = smallVocabulary();
  return vocabulary;
}

Pieces encode(const Vocabulary &vocabulary, std::string_view text,
              EncodeOptions options) {
  return spell(vocabulary, *Tokenizer(vocabulary).encode(text, options));
}

Pieces plain(std::string_view text) { return encode(small(), text, {false}); }
Pieces parsed(std::string_view text) {
  return encode(small(), text, {false, true});
}

TEST(SpmTokenizerTest, MergesByScore) {
  EXPECT_EQ(plain("hello"), Pieces{"hello"});
  EXPECT_EQ(plain("hell"), Pieces{"hell"});
  EXPECT_EQ(plain("hel"), (Pieces{"he", "l"}));
  EXPECT_EQ(plain("lll"), (Pieces{"ll", "l"}));
}

TEST(SpmTokenizerTest, PrefersTheHighestScoreToTheLeftmostPair) {
  VocabularyData data = smallData();
  add(data, "ow", TokenType::Normal, 5);
  // Without "ow" this is "hello", "world".
  EXPECT_EQ(encode(make(data), "helloworld", {false}),
            (Pieces{"hell", "ow", "or", "ld"}));
}

TEST(SpmTokenizerTest, PrefersTheLeftmostOfEqualScores) {
  VocabularyData data = smallData();
  add(data, "ro", TokenType::Normal, 5);
  add(data, "od", TokenType::Normal, 5);
  EXPECT_EQ(encode(make(data), "rodod", {false}), (Pieces{"ro", "d", "od"}));
}

TEST(SpmTokenizerTest, WritesSpacesAsU2581) {
  EXPECT_EQ(plain("hello world"), (Pieces{"hello", "\xE2\x96\x81world"}));
  EXPECT_EQ(plain("  "), Pieces{"\xE2\x96\x81\xE2\x96\x81"});
  // A text may spell the character itself.
  EXPECT_EQ(plain("\xE2\x96\x81world"), plain(" world"));
}

TEST(SpmTokenizerTest, EncodesTheEmptyText) {
  EXPECT_EQ(plain(""), Pieces{});
  EXPECT_EQ(encode(small(), "", {true}), Pieces{"<bos>"});
}

TEST(SpmTokenizerTest, AddsBosOnlyIfTheVocabularyAsks) {
  EXPECT_EQ(encode(small(), "hello", {true}), (Pieces{"<bos>", "hello"}));
  VocabularyData data = smallData();
  data.addBos = false;
  EXPECT_EQ(encode(make(data), "hello", {true}), Pieces{"hello"});
}

TEST(SpmTokenizerTest, LeavesABosInTheTextBesideItsOwn) {
  EXPECT_EQ(encode(small(), "<bos>hello", {true, true}),
            (Pieces{"<bos>", "<bos>", "hello"}));
  EXPECT_EQ(encode(small(), "<bos>hello", {false, true}),
            (Pieces{"<bos>", "hello"}));
}

TEST(SpmTokenizerTest, FallsBackToBytes) {
  EXPECT_EQ(plain("x"), Pieces{"<0x78>"});
  EXPECT_EQ(plain("\xC3\xA4"), Pieces{"\xC3\xA4"});
  EXPECT_EQ(plain("\xF0\x9F\x98\x80"),
            (Pieces{"<0xF0>", "<0x9F>", "<0x98>", "<0x80>"}));
  EXPECT_EQ(plain(std::string_view("h\0e", 3)), (Pieces{"h", "<0x00>", "e"}));
}

TEST(SpmTokenizerTest, ReadsLengthsOffTheFirstByteOnly) {
  // The broken lead byte swallows what follows, here "he" and "ll".
  EXPECT_EQ(plain("\xE2hello"),
            (Pieces{"<0xE2>", "<0x68>", "<0x65>", "ll", "o"}));
  EXPECT_EQ(plain("\xF8hello"),
            (Pieces{"<0xF8>", "<0x68>", "<0x65>", "<0x6C>", "l", "o"}));
  // A continuation byte stands alone.
  EXPECT_EQ(plain("\x80hello"), (Pieces{"<0x80>", "hello"}));
  // The end of the text cuts a character short.
  EXPECT_EQ(plain("hello\xE2\x96"), (Pieces{"hello", "<0xE2>", "<0x96>"}));
  // So does a special piece.
  EXPECT_EQ(plain("\xE2\nhello"), (Pieces{"<0xE2>", "\n", "hello"}));
}

TEST(SpmTokenizerTest, CutsUserDefinedPiecesAlways) {
  EXPECT_EQ(plain("hello\nworld"), (Pieces{"hello", "\n", "world"}));
  EXPECT_EQ(parsed("hello\nworld"), (Pieces{"hello", "\n", "world"}));
  // The longest first, from the left.
  EXPECT_EQ(plain("\n\n\n\n\n"), (Pieces{"\n\n\n", "\n\n"}));
}

TEST(SpmTokenizerTest, CutsMarkersOnlyWhenAsked) {
  EXPECT_EQ(parsed("he<eos><unk>ll"), (Pieces{"he", "<eos>", "<unk>", "ll"}));
  EXPECT_EQ(plain("<unk>"),
            (Pieces{"<0x3C>", "<0x75>", "<0x6E>", "<0x6B>", "<0x3E>"}));
}

TEST(SpmTokenizerTest, CutsStrikeEndOnlyWhenAsked) {
  EXPECT_EQ(parsed("he</s>"), (Pieces{"he", "</s>"}));
  EXPECT_EQ(plain("he</s>"), (Pieces{"he", "<0x3C>", "<0x2F>", "s", "<0x3E>"}));
}

TEST(SpmTokenizerTest, NeverMergesIntoAMarker) {
  VocabularyData data = smallData();
  for (const char *step : {"<", ">", "<e", "<eo", "<eos", "<u", "<un", "<unk"})
    add(data, step, TokenType::Normal, 1);
  for (const char *letter : {"u", "n", "k"})
    add(data, letter, TokenType::Normal);
  Vocabulary vocabulary = make(data);
  EXPECT_EQ(encode(vocabulary, "<eos>", {false}), (Pieces{"<eos", ">"}));
  EXPECT_EQ(encode(vocabulary, "<unk>", {false}), (Pieces{"<unk", ">"}));
}

TEST(SpmTokenizerTest, PrefixesASpaceAfterNothingAndAfterMarkers) {
  VocabularyData data = smallData();
  data.addSpacePrefix = true;
  Vocabulary vocabulary = make(data);
  EXPECT_EQ(encode(vocabulary, "world<eos>world\nworld", {false, true}),
            (Pieces{"\xE2\x96\x81world", "<eos>", "\xE2\x96\x81world", "\n",
                    "\xE2\x96\x81world"}));
  EXPECT_EQ(encode(vocabulary, "", {false}), Pieces{});
}

TEST(SpmTokenizerTest, EncodesSegmentsByTheirTrust) {
  Tokenizer tokenizer(small());
  std::vector<Segment> segments = {
      {"<start_of_turn>", true}, {"<eos>", false}, {"<end_of_turn>", true}};
  EXPECT_EQ(spell(small(), *tokenizer.encode(segments)),
            (Pieces{"<bos>", "<start_of_turn>", "<0x3C>", "e", "o", "s",
                    "<0x3E>", "<end_of_turn>"}));
}

TEST(SpmTokenizerTest, KeepsPiecesWithinTheirSegment) {
  Tokenizer tokenizer(small());
  EXPECT_EQ(
      spell(small(), *tokenizer.encode({{"hel", false}, {"lo", false}}, false)),
      (Pieces{"he", "l", "l", "o"}));
}

TEST(SpmTokenizerTest, PrefixesNoSpaceToASegmentThatContinuesText) {
  VocabularyData data = smallData();
  data.addSpacePrefix = true;
  Vocabulary vocabulary = make(data);
  Tokenizer tokenizer(vocabulary);
  std::vector<Segment> segments = {{"world", false},
                                   {"world", false},
                                   {"", false},
                                   {"\n", false},
                                   {"world", false}};
  EXPECT_EQ(spell(vocabulary, *tokenizer.encode(segments, false)),
            (Pieces{"\xE2\x96\x81world", "world", "\n", "\xE2\x96\x81world"}));
}

TEST(SpmTokenizerTest, RefusesTextsBeyondTheLimit) {
  // One byte too long; never read, so it need not exist.
  std::string_view huge("", Tokenizer::kMaxTextBytes + 1);
  Result<std::vector<TokenId>> ids = Tokenizer(small()).encode(huge);
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error(),
            "text: expected at most 536870912 bytes, found 536870913");
}

/// The rules as Tokenizer.h words them, in quadratic time.
class LiteralTokenizer {
public:
  explicit LiteralTokenizer(const Vocabulary &vocabulary) : vocab(vocabulary) {}

  std::vector<TokenId> encode(const std::string &text, bool parseSpecial) {
    std::vector<Part> parts = {{text, kNoToken}};
    for (TokenId special : specials(parseSpecial))
      parts = cut(parts, special);
    std::vector<TokenId> ids;
    bool afterMarker = true;
    for (const Part &part : parts) {
      if (part.id != kNoToken)
        ids.push_back(part.id);
      else if (!part.text.empty())
        merge((afterMarker && vocab.addSpacePrefix() ? " " : "") + part.text,
              ids);
      if (part.id != kNoToken || !part.text.empty())
        afterMarker = part.id != kNoToken;
    }
    return ids;
  }

private:
  struct Part {
    std::string text;
    TokenId id;
  };

  std::vector<TokenId> specials(bool parseSpecial) {
    std::vector<TokenId> result;
    for (TokenId id = 0; vocab.contains(id); ++id) {
      bool marker = vocab.type(id) == TokenType::Control ||
                    vocab.type(id) == TokenType::Unknown;
      if (vocab.type(id) == TokenType::UserDefined || (marker && parseSpecial))
        result.push_back(id);
    }
    std::sort(result.begin(), result.end(), [&](TokenId a, TokenId b) {
      size_t left = vocab.piece(a).size(), right = vocab.piece(b).size();
      return left > right || (left == right && a < b);
    });
    return result;
  }

  std::vector<Part> cut(const std::vector<Part> &parts, TokenId special) {
    const std::string &piece = vocab.piece(special);
    std::vector<Part> result;
    for (Part part : parts) {
      for (size_t at; part.id == kNoToken &&
                      (at = part.text.find(piece)) != std::string::npos;) {
        result.push_back({part.text.substr(0, at), kNoToken});
        result.push_back({piece, special});
        part.text.erase(0, at + piece.size());
      }
      result.push_back(part);
    }
    return result;
  }

  void merge(std::string text, std::vector<TokenId> &ids) {
    for (size_t at; (at = text.find(' ')) != std::string::npos;)
      text.replace(at, 1, "\xE2\x96\x81");
    std::vector<std::string> symbols;
    while (!text.empty()) {
      uint8_t first = uint8_t(text[0]);
      size_t length = first < 0xC0   ? 1
                      : first < 0xE0 ? 2
                      : first < 0xF0 ? 3
                                     : 4;
      symbols.push_back(text.substr(0, length));
      text.erase(0, length);
    }
    while (true) {
      size_t best = symbols.size();
      float bestScore = 0;
      for (size_t left = 0; left + 1 < symbols.size(); ++left) {
        TokenId id = vocab.find(symbols[left] + symbols[left + 1]);
        if (id == kNoToken || vocab.type(id) == TokenType::Control ||
            vocab.type(id) == TokenType::Unknown)
          continue;
        if (best == symbols.size() || vocab.score(id) > bestScore) {
          best = left;
          bestScore = vocab.score(id);
        }
      }
      if (best == symbols.size())
        break;
      symbols[best] += symbols[best + 1];
      symbols.erase(symbols.begin() + long(best) + 1);
    }
    for (const std::string &symbol : symbols) {
      TokenId id = vocab.find(symbol);
      if (id != kNoToken) {
        ids.push_back(id);
        continue;
      }
      for (char byte : symbol)
        ids.push_back(vocab.byteToken(uint8_t(byte)));
    }
  }

  const Vocabulary &vocab;
};

/// A text of characters that meet often, some of them broken.
std::string randomText(std::mt19937 &random, size_t longest) {
  const char *parts[] = {"a", "b",        "c",    "a",   "b",
                         " ", "\xC3\xA4", "\xE2", "\x96"};
  std::string text;
  for (size_t count = 1 + random() % longest; count > 0; --count)
    text += parts[random() % 9];
  return text;
}

/// Random pieces over the same characters with few different scores, so that
/// ties and overlaps of equal length are frequent.
Vocabulary randomVocabulary(std::mt19937 &random) {
  VocabularyData data;
  data.addBos = false;
  data.addSpacePrefix = random() % 2;
  addBytes(data);
  for (int attempt = 0; attempt < 60; ++attempt) {
    std::string piece = randomText(random, 5);
    TokenType type = TokenType(1 + random() % 12);
    if (type > TokenType::UserDefined)
      type = TokenType::Normal;
    if (type == TokenType::Normal)
      for (size_t at; (at = piece.find(' ')) != std::string::npos;)
        piece.replace(at, 1, "\xE2\x96\x81");
    if (std::find(data.pieces.begin(), data.pieces.end(), piece) ==
        data.pieces.end())
      add(data, piece, type, float(random() % 4));
  }
  return make(data);
}

TEST(SpmTokenizerTest, AgreesWithTheLiteralRules) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Vocabulary vocabulary = randomVocabulary(random);
    Tokenizer tokenizer(vocabulary);
    LiteralTokenizer literal(vocabulary);
    for (int i = 0; i < 20; ++i) {
      std::string text = randomText(random, 40);
      for (bool parseSpecial : {false, true})
        ASSERT_EQ(
            spell(vocabulary, *tokenizer.encode(text, {false, parseSpecial})),
            spell(vocabulary, literal.encode(text, parseSpecial)))
            << "seed " << seed << ", text " << testing::PrintToString(text);
    }
  }
}

TEST(SpmTokenizerTest, TakesLongTextsOfOneCharacter) {
  // Quadratic merging would take hours for these.
  const size_t kLength = 1 << 19;
  EXPECT_EQ(plain(std::string(kLength, 'l')).size(), kLength / 2);
  EXPECT_EQ(plain(std::string(kLength, '\n')).size(), kLength / 3 + 1);
  EXPECT_EQ(plain(std::string(kLength, ' ')).size(), kLength / 2);
}

} // namespace
