// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Text to ids by ranked merges: each rule by itself, and all against a literal
// re-telling.

#include "TestVocabulary.h"

#include "flow/Text/Tokenizer.h"

#include <map>
#include <random>
#include <set>

using namespace flow;
using namespace flow::text;
using namespace flow::text::test;

namespace {

const std::string kSpace = "\xE2\x96\x81";

const Vocabulary &ranked() {
  static const Vocabulary vocabulary = make(rankedData());
  return vocabulary;
}

Pieces encode(const Vocabulary &vocabulary, std::string_view text,
              EncodeOptions options = {false}) {
  return spell(vocabulary, *Tokenizer(vocabulary).encode(text, options));
}

Pieces plain(std::string_view text) { return encode(ranked(), text); }
Pieces parsed(std::string_view text) {
  return encode(ranked(), text, {false, true});
}

/// The vocabulary of nothing but letters and merges, in order of rank.
Vocabulary
makeRanked(const std::vector<std::pair<std::string, std::string>> &merges) {
  VocabularyData data;
  data.algorithm = Algorithm::Bpe;
  data.addBos = false;
  addBytes(data);
  for (const char *letter : {"a", "b", "c", "\n"})
    add(data, letter, TokenType::Normal);
  for (const auto &[left, right] : merges)
    addMerge(data, left, right);
  return make(data);
}

TEST(BpeTokenizerTest, MergesByRank) {
  EXPECT_EQ(plain("hello world"), (Pieces{"hello", kSpace + "world"}));
  EXPECT_EQ(plain("hel"), (Pieces{"he", "l"}));
  // "l l" goes before "l d", though "ld" has the higher score.
  EXPECT_EQ(plain("lld"), (Pieces{"ll", "d"}));
}

TEST(BpeTokenizerTest, PrefersTheLowestRankToTheLeftmostPair) {
  EXPECT_EQ(encode(makeRanked({{"b", "c"}, {"a", "b"}}), "abc"),
            (Pieces{"a", "bc"}));
  EXPECT_EQ(encode(makeRanked({{"a", "b"}, {"b", "c"}}), "abc"),
            (Pieces{"ab", "c"}));
}

TEST(BpeTokenizerTest, PrefersTheLeftmostOfOneMerge) {
  EXPECT_EQ(encode(makeRanked({{"a", "a"}}), "aaa"), (Pieces{"aa", "a"}));
  // A merge whose turn has come goes before all later ones, wherever it is.
  EXPECT_EQ(encode(makeRanked({{"a", "a"}, {"aa", "a"}}), "aaaaa"),
            (Pieces{"aa", "aaa"}));
}

TEST(BpeTokenizerTest, RanksPairsNotPieces) {
  // Two ways to "abc"; what makes it is the rank of the pair that is there.
  Vocabulary vocabulary =
      makeRanked({{"a", "bc"}, {"c", "a"}, {"b", "c"}, {"a", "b"}});
  EXPECT_EQ(encode(vocabulary, "abc"), Pieces{"abc"});
  EXPECT_EQ(encode(vocabulary, "abca"), (Pieces{"ab", "ca"}));
}

TEST(BpeTokenizerTest, MergesOnlyPairsThatAMergeNames) {
  // "abc" is a piece, and so is "ab", but nothing leads from "ab" to it.
  EXPECT_EQ(encode(makeRanked({{"a", "b"}, {"b", "c"}, {"a", "bc"}}), "abc"),
            (Pieces{"ab", "c"}));
  EXPECT_EQ(encode(makeRanked({{"a", "b"}}), "ba"), (Pieces{"b", "a"}));
}

TEST(BpeTokenizerTest, ForgetsPairsWhosePartsHaveMerged) {
  EXPECT_EQ(
      encode(makeRanked({{"b", "a"}, {"a", "b"}, {"ba", "ba"}}), "abababa"),
      (Pieces{"a", "baba", "ba"}));
}

TEST(BpeTokenizerTest, WritesSpacesAsU2581) {
  EXPECT_EQ(plain("   w"), (Pieces{kSpace + kSpace, kSpace + "w"}));
  EXPECT_EQ(plain("  "), Pieces{kSpace + kSpace});
  EXPECT_EQ(plain(kSpace + "world"), plain(" world"));
}

TEST(BpeTokenizerTest, KeepsRunsOfNewlinesThatArePieces) {
  // Merging would make "\n\n" and "\n".
  EXPECT_EQ(plain("\n\n\n"), Pieces{"\n\n\n"});
  EXPECT_EQ(plain("\n\n\n\n"), (Pieces{"\n\n", "\n\n"}));
  EXPECT_EQ(plain("\n\n\n\n\n"), (Pieces{"\n\n", "\n\n", "\n"}));
  EXPECT_EQ(plain("he\n\n\nhe\n"), (Pieces{"he", "\n\n\n", "he", "\n"}));
  EXPECT_EQ(plain("\n \n"), (Pieces{"\n", kSpace, "\n"}));
}

TEST(BpeTokenizerTest, MergesNothingAcrossTheEndOfALine) {
  Vocabulary vocabulary = makeRanked({{"a", "\n"}, {"\n", "b"}});
  EXPECT_EQ(encode(vocabulary, "a\nb"), (Pieces{"a", "\n", "b"}));
}

TEST(BpeTokenizerTest, SplitsARunOfNewlinesThatIsAMarker) {
  VocabularyData data = rankedData();
  data.types[size_t(make(data).find("\n\n\n"))] = int32_t(TokenType::Control);
  Vocabulary vocabulary = make(data);
  EXPECT_EQ(encode(vocabulary, "\n\n\n"), (Pieces{"\n\n", "\n"}));
  EXPECT_EQ(encode(vocabulary, "\n\n\n", {false, true}), Pieces{"\n\n\n"});
}

TEST(BpeTokenizerTest, EncodesTheEmptyText) {
  EXPECT_EQ(plain(""), Pieces{});
  EXPECT_EQ(encode(ranked(), "", {true}), Pieces{"<bos>"});
}

TEST(BpeTokenizerTest, EncodesWithoutAnyMerge) {
  EXPECT_EQ(encode(makeRanked({}), "ab\n\nx"),
            (Pieces{"a", "b", "\n", "\n", "<0x78>"}));
}

TEST(BpeTokenizerTest, FallsBackToBytes) {
  EXPECT_EQ(plain("hex"), (Pieces{"he", "<0x78>"}));
  EXPECT_EQ(plain("\xC3\xA4"), Pieces{"\xC3\xA4"});
  EXPECT_EQ(plain("\xF0\x9F\x98\x80"),
            (Pieces{"<0xF0>", "<0x9F>", "<0x98>", "<0x80>"}));
  EXPECT_EQ(plain(std::string_view("h\0e", 3)), (Pieces{"h", "<0x00>", "e"}));
}

TEST(BpeTokenizerTest, ReplacesBytesThatAreNoCharacter) {
  VocabularyData data = rankedData();
  add(data, "\xEF\xBF\xBD", TokenType::Normal);
  Vocabulary vocabulary = make(data);
  const std::string kBroken = "\xEF\xBF\xBD";
  EXPECT_EQ(encode(vocabulary, "he\x80he"), (Pieces{"he", kBroken, "he"}));
  EXPECT_EQ(encode(vocabulary, "\xE2hello"), (Pieces{kBroken, "hello"}));
  EXPECT_EQ(encode(vocabulary, "\xE2\x96"), (Pieces{kBroken, kBroken}));
  EXPECT_EQ(encode(vocabulary, "\xF0\x9F\x98he"),
            (Pieces{kBroken, kBroken, kBroken, "he"}));
  EXPECT_EQ(encode(vocabulary, "\xFF\xF8"), (Pieces{kBroken, kBroken}));
  // A special piece ends a character.
  EXPECT_EQ(encode(vocabulary, "\xE2<|channel>"),
            (Pieces{kBroken, "<|channel>"}));
  EXPECT_EQ(encode(vocabulary, "\xF4\x90\x80\x80"),
            (Pieces{kBroken, kBroken, kBroken, kBroken}));
  EXPECT_EQ(encode(vocabulary, "\xF4\x8F\xBF\xBF"),
            (Pieces{"<0xF4>", "<0x8F>", "<0xBF>", "<0xBF>"}));
  // Without a piece for it, its own bytes.
  EXPECT_EQ(plain("\xFF"), (Pieces{"<0xEF>", "<0xBF>", "<0xBD>"}));
}

TEST(BpeTokenizerTest, ReadsCharactersHoweverTheyAreSpelt) {
  // As llama.cpp does: "h" in two to four bytes, and half of a pair.
  for (const char *text : {"\xC1\xA8", "\xE0\x81\xA8", "\xF0\x80\x81\xA8"})
    EXPECT_EQ(plain(std::string(text) + "e"), Pieces{"he"});
  EXPECT_EQ(plain("he\xC0\x8A\n"), (Pieces{"he", "\n\n"}));
  EXPECT_EQ(plain("\xED\xA0\x80"), (Pieces{"<0xED>", "<0xA0>", "<0x80>"}));
}

TEST(BpeTokenizerTest, CutsVisibleMarkersAlways) {
  EXPECT_EQ(plain("he<|channel>he<channel|>"),
            (Pieces{"he", "<|channel>", "he", "<channel|>"}));
  EXPECT_EQ(parsed("<tool_response|>"), Pieces{"<tool_response|>"});
}

TEST(BpeTokenizerTest, CutsMarkersOnlyWhenAsked) {
  EXPECT_EQ(parsed("<|turn>he<turn|><eos><unk><|tool_response>"),
            (Pieces{"<|turn>", "he", "<turn|>", "<eos>", "<unk>",
                    "<|tool_response>"}));
  EXPECT_EQ(plain("<eos>"), (Pieces{"<0x3C>", "e", "o", "s", "<0x3E>"}));
  for (const char *marker : {"<|turn>", "<turn|>", "<|tool_response>", "<unk>"})
    EXPECT_EQ(plain(marker)[0], "<0x3C>") << marker;
}

TEST(BpeTokenizerTest, TakesStrikeEndForText) {
  const Pieces kText = {"<0x3C>", "<0x2F>", "s", "<0x3E>"};
  for (TokenType type :
       {TokenType::Normal, TokenType::Control, TokenType::UserDefined}) {
    VocabularyData data = rankedData();
    data.types[10] = int32_t(type);
    Vocabulary vocabulary = make(data);
    ASSERT_EQ(vocabulary.piece(10), "</s>");
    EXPECT_EQ(vocabulary.type(10), TokenType::Normal);
    EXPECT_FALSE(vocabulary.isEndOfGeneration(10));
    EXPECT_EQ(encode(vocabulary, "</s>", {false, false}), kText);
    EXPECT_EQ(encode(vocabulary, "</s>", {false, true}), kText);
  }
}

TEST(BpeTokenizerTest, NeverMergesIntoAMarker) {
  VocabularyData data = rankedData();
  for (const char *letter : {"<", ">"})
    add(data, letter, TokenType::Normal);
  for (auto [left, right] :
       {std::pair("<", "e"), {"<e", "o"}, {"<eo", "s"}, {"<eos", ">"}})
    addMerge(data, left, right);
  EXPECT_EQ(encode(make(data), "<eos>"), (Pieces{"<eos", ">"}));
}

TEST(BpeTokenizerTest, EncodesSegmentsByTheirTrust) {
  Tokenizer tokenizer(ranked());
  std::vector<Segment> segments = {
      {"<|turn>", true}, {"hel", false}, {"lo<eos>", false}, {"<turn|>", true}};
  EXPECT_EQ(spell(ranked(), *tokenizer.encode(segments)),
            (Pieces{"<bos>", "<|turn>", "he", "l", "l", "o", "<0x3C>", "e", "o",
                    "s", "<0x3E>", "<turn|>"}));
}

/// Steps 3 and 4 as Tokenizer.h words them, in quadratic time, on the words of
/// a model file and without its ids.
class LiteralTokenizer {
public:
  explicit LiteralTokenizer(const VocabularyData &data)
      : pieces(data.pieces.begin(), data.pieces.end()) {
    for (const std::string &merge : data.merges)
      ranks.emplace(merge, ranks.size());
  }

  Pieces encode(const std::string &text) const {
    Pieces found;
    for (const std::string &chunk : chunksOf(text)) {
      if (chunk[0] == '\n' && pieces.count(chunk))
        found.push_back(chunk);
      else
        spellOut(merge(charactersOf(chunk)), found);
    }
    return found;
  }

private:
  /// Runs of newlines, and what is between them.
  static Pieces chunksOf(const std::string &text) {
    Pieces chunks;
    for (char c : text) {
      if (chunks.empty() || (chunks.back().back() == '\n') != (c == '\n'))
        chunks.emplace_back();
      chunks.back() += c;
    }
    return chunks;
  }

  /// Of a text whose only long characters have two bytes.
  static Pieces charactersOf(const std::string &chunk) {
    Pieces characters;
    for (size_t i = 0; i < chunk.size(); ++i) {
      size_t length = chunk[i] == '\xC3' ? 2 : 1;
      characters.push_back(chunk[i] == ' ' ? kSpace : chunk.substr(i, length));
      i += length - 1;
    }
    return characters;
  }

  Pieces merge(Pieces symbols) const {
    while (true) {
      size_t best = symbols.size(), bestRank = ranks.size();
      for (size_t left = 0; left + 1 < symbols.size(); ++left) {
        auto rank = ranks.find(symbols[left] + " " + symbols[left + 1]);
        if (rank == ranks.end() || rank->second >= bestRank)
          continue;
        best = left;
        bestRank = rank->second;
      }
      if (best == symbols.size())
        return symbols;
      symbols[best] += symbols[best + 1];
      symbols.erase(symbols.begin() + long(best) + 1);
    }
  }

  void spellOut(const Pieces &symbols, Pieces &found) const {
    constexpr char kHex[] = "0123456789ABCDEF";
    for (const std::string &symbol : symbols) {
      if (pieces.count(symbol)) {
        found.push_back(symbol);
        continue;
      }
      for (char c : symbol)
        found.push_back(
            {'<', '0', 'x', kHex[uint8_t(c) >> 4], kHex[uint8_t(c) & 15], '>'});
    }
  }

  std::set<std::string> pieces;
  std::map<std::string, size_t> ranks;
};

/// Random pieces, most of them with more than one way to them.
VocabularyData randomData(std::mt19937 &random) {
  VocabularyData data;
  data.algorithm = Algorithm::Bpe;
  data.addBos = false;
  addBytes(data);
  std::vector<std::string> parts;
  for (const char *letter : {"a", "b", "c", "\n", "\xC3\xA4"})
    if (random() % 8 != 0)
      parts.push_back(letter);
  parts.push_back(kSpace);
  for (const std::string &letter : parts)
    add(data, letter, TokenType::Normal);
  for (int attempt = 0; attempt < 60; ++attempt) {
    std::string left = parts[random() % parts.size()];
    std::string right = parts[random() % parts.size()];
    std::string merge = left + " " + right;
    if (left.size() + right.size() > 9 ||
        std::find(data.merges.begin(), data.merges.end(), merge) !=
            data.merges.end())
      continue;
    size_t before = data.pieces.size();
    addMerge(data, left, right);
    data.scores.back() = float(random() % 4);
    if (data.pieces.size() > before)
      parts.push_back(left + right);
  }
  // Long pieces come late in the list, and must not always merge late.
  std::shuffle(data.merges.begin(), data.merges.end(), random);
  return data;
}

TEST(BpeTokenizerTest, AgreesWithTheLiteralRules) {
  const char *letters[] = {"a", "b", "c", "a", "b", " ", "\n", "\xC3\xA4"};
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    VocabularyData data = randomData(random);
    Vocabulary vocabulary = make(data);
    LiteralTokenizer literal(data);
    for (int i = 0; i < 20; ++i) {
      std::string text;
      for (size_t count = random() % 40; count > 0; --count)
        text += letters[random() % 8];
      ASSERT_EQ(encode(vocabulary, text), literal.encode(text))
          << "seed " << seed << ", text " << testing::PrintToString(text);
    }
  }
}

TEST(BpeTokenizerTest, TakesLongTexts) {
  // Quadratic merging would take hours for these.
  const size_t kLength = 1 << 20;
  EXPECT_EQ(plain(std::string(kLength, 'l')).size(), kLength / 2);
  EXPECT_EQ(plain(std::string(kLength, ' ')).size(), kLength / 2);
  EXPECT_EQ(plain(std::string(kLength, '\n')).size(), kLength / 2);
  EXPECT_EQ(plain(std::string(kLength, '\xFF')).size(), kLength * 3);
  std::string lines;
  while (lines.size() < kLength)
    lines += "hello world\n";
  EXPECT_EQ(plain(lines).size(), lines.size() / 12 * 3);
}

} // namespace
