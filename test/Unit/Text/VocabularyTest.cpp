// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Vocabularies from files: what is refused, and that every piece is found.

#include "TestVocabulary.h"

#include <chrono>
#include <limits>

using namespace flow;
using namespace flow::text;
using namespace flow::text::test;

namespace {

/// Why `data` is refused; empty if it is not.
std::string refusal(VocabularyData data) {
  Result<Vocabulary> vocabulary = Vocabulary::create(std::move(data));
  return vocabulary ? "" : vocabulary.error();
}

TEST(VocabularyTest, FindsEveryPieceAndNothingElse) {
  Vocabulary vocabulary = smallVocabulary();
  for (TokenId id = 0; vocabulary.contains(id); ++id)
    EXPECT_EQ(vocabulary.find(vocabulary.piece(id)), id);
  for (const char *text : {"", "x", "hel", "helloo", "<eos", "<0x4>"})
    EXPECT_EQ(vocabulary.find(text), kNoToken) << text;
  EXPECT_EQ(vocabulary.find(std::string(5000, 'h')), kNoToken);
}

TEST(VocabularyTest, FindsPiecesThatDifferInTheLastByteOrInANul) {
  VocabularyData data;
  addBytes(data);
  data.addBos = false;
  // All lengths around the eight bytes that a step of the hash reads.
  for (size_t length = 1; length <= 25; ++length)
    for (char last : {'a', 'b', '\0'})
      add(data, std::string(length - 1, 'x') + last, TokenType::Normal);
  Vocabulary vocabulary = make(data);
  for (TokenId id = 0; vocabulary.contains(id); ++id)
    EXPECT_EQ(vocabulary.find(data.pieces[id]), id);
}

TEST(VocabularyTest, StaysUsableWhenMoved) {
  Vocabulary first = smallVocabulary();
  Vocabulary second = std::move(first);
  EXPECT_EQ(second.piece(second.find("hello")), "hello");
}

TEST(VocabularyTest, KnowsItsBytes) {
  Vocabulary vocabulary = smallVocabulary();
  EXPECT_EQ(vocabulary.piece(vocabulary.byteToken(0xE2)), "<0xE2>");
  for (int byte = 0; byte < 256; ++byte)
    EXPECT_EQ(vocabulary.byteOf(vocabulary.byteToken(uint8_t(byte))), byte);
}

TEST(VocabularyTest, TakesEndOfGenerationFromTextAndId) {
  VocabularyData data = smallData();
  TokenId other = add(data, "<stop>", TokenType::Control);
  data.eos = other;
  Vocabulary vocabulary = make(data);
  EXPECT_EQ(vocabulary.endOfGeneration(), (std::vector<TokenId>{1, 5, other}));
  data.ends = {3, other};
  EXPECT_EQ(make(data).endOfGeneration(),
            (std::vector<TokenId>{1, 3, 5, other}));
  EXPECT_TRUE(vocabulary.isEndOfGeneration(other));
  EXPECT_TRUE(vocabulary.isEndOfGeneration(vocabulary.find("<eos>")));
  EXPECT_TRUE(vocabulary.isEndOfGeneration(vocabulary.find("<end_of_turn>")));
  EXPECT_FALSE(vocabulary.isEndOfGeneration(vocabulary.find("</s>")));
  EXPECT_FALSE(vocabulary.isEndOfGeneration(vocabulary.bos()));
  EXPECT_FALSE(vocabulary.isEndOfGeneration(kNoToken));
}

TEST(VocabularyTest, MakesEndMarkersControlTokens) {
  VocabularyData data = smallData();
  data.types[1] = data.types[5] = int32_t(TokenType::Normal);
  Vocabulary vocabulary = make(data);
  EXPECT_EQ(vocabulary.type(1), TokenType::Control);
  EXPECT_EQ(vocabulary.type(5), TokenType::Control);
}

TEST(VocabularyTest, RefusesNoPieces) {
  EXPECT_EQ(refusal({}), "tokenizer: expected 1 to 4194304 pieces, found 0");
}

TEST(VocabularyTest, RefusesListsOfUnequalLength) {
  VocabularyData scores = smallData(), types = smallData();
  scores.scores.pop_back();
  types.types.push_back(1);
  EXPECT_EQ(refusal(scores),
            "tokenizer: expected 287 scores, one a piece, found 286");
  EXPECT_EQ(refusal(types),
            "tokenizer: expected 287 token types, one a piece, found 288");
}

TEST(VocabularyTest, RefusesEmptyAndOverlongPieces) {
  VocabularyData data = smallData();
  data.pieces[270] = "";
  EXPECT_EQ(refusal(data),
            "tokenizer piece 270: expected 1 to 1024 bytes, found 0");
  data.pieces[270] = std::string(1024, 'x');
  EXPECT_EQ(refusal(data), "");
  data.pieces[270] += 'x';
  EXPECT_EQ(refusal(data),
            "tokenizer piece 270: expected 1 to 1024 bytes, found 1025");
}

TEST(VocabularyTest, RefusesEqualPieces) {
  VocabularyData data = smallData();
  data.pieces[270] = data.pieces[6];
  EXPECT_EQ(refusal(data),
            "tokenizer piece 270: expected a text that no other piece has, "
            "found '\\x0a' of piece 6");
}

TEST(VocabularyTest, RefusesNanScores) {
  VocabularyData data = smallData();
  data.scores[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(refusal(data), "tokenizer piece 3: expected a score, found NaN");
}

TEST(VocabularyTest, RefusesUnknownTypes) {
  for (int32_t type : {0, 7, -1}) {
    VocabularyData data = smallData();
    data.types[3] = type;
    EXPECT_EQ(refusal(data),
              "tokenizer piece 3: expected a token type from 1 to 6, found " +
                  std::to_string(type));
  }
}

TEST(VocabularyTest, RefusesMalformedByteTokens) {
  for (const char *text : {"<0x4g>", "<0xab>", "<0x4>", "<0x041>", "[0x41]"}) {
    VocabularyData data = smallData();
    data.pieces[11] = text;
    EXPECT_EQ(refusal(data),
              std::string("tokenizer piece 11: expected a byte token from "
                          "<0x00> to <0xFF>, found '") +
                  text + "'");
  }
}

TEST(VocabularyTest, RefusesAMissingByteToken) {
  VocabularyData data = smallData();
  data.types[11 + 0xA7] = int32_t(TokenType::Normal);
  EXPECT_EQ(refusal(data),
            "tokenizer: expected all 256 byte tokens, found none for <0xA7>, "
            "so that some texts cannot be encoded");
}

TEST(VocabularyTest, RefusesSpecialIdsOutOfRange) {
  using Field = TokenId VocabularyData::*;
  std::pair<const char *, Field> fields[] = {{"bos", &VocabularyData::bos},
                                             {"eos", &VocabularyData::eos},
                                             {"unk", &VocabularyData::unk},
                                             {"pad", &VocabularyData::pad}};
  for (const auto &[name, field] : fields) {
    for (TokenId id : {287, -2}) {
      VocabularyData data = smallData();
      data.*field = id;
      EXPECT_EQ(refusal(data), std::string("tokenizer: expected the ") + name +
                                   " id to be below 287, found " +
                                   std::to_string(id));
    }
  }
}

TEST(VocabularyTest, RefusesToAddABosThatIsNotThere) {
  VocabularyData data = smallData();
  data.bos = kNoToken;
  EXPECT_EQ(refusal(data), "tokenizer: expected a bos id, because every "
                           "sequence is to start with it, found none");
  data.addBos = false;
  EXPECT_EQ(refusal(data), "");
}

TEST(VocabularyTest, FindsEveryMerge) {
  VocabularyData data = rankedData();
  Vocabulary vocabulary = make(data);
  for (size_t rank = 0; rank < data.merges.size(); ++rank) {
    const std::string &text = data.merges[rank];
    size_t space = text.find(' ');
    std::string left = text.substr(0, space), right = text.substr(space + 1);
    Vocabulary::Merge merge =
        vocabulary.findMerge(vocabulary.find(left), vocabulary.find(right));
    EXPECT_EQ(merge.rank, int32_t(rank));
    EXPECT_EQ(vocabulary.piece(merge.id), left + right);
  }
  TokenId l = vocabulary.find("l"), e = vocabulary.find("e");
  for (auto [left, right] : {std::pair(e, l), {l, e}, {kNoToken, l}, {l, -1}})
    EXPECT_EQ(vocabulary.findMerge(left, right).id, kNoToken);
  EXPECT_EQ(smallVocabulary().findMerge(0, 1).id, kNoToken);
}

TEST(VocabularyTest, RefusesMergesOfOtherThanTwoPieces) {
  for (const char *text : {"", " ", "hell", " o", "hell ", "h e l", "he  ll"}) {
    VocabularyData data = rankedData();
    data.merges[3] = text;
    EXPECT_EQ(refusal(data),
              std::string("tokenizer merge 3: expected two pieces with one "
                          "space between, found '") +
                  text + "'");
  }
}

TEST(VocabularyTest, RefusesMergesOfWhatIsNoPiece) {
  std::string huge(5000, 'x');
  for (auto [text, unknown] : {std::pair<std::string, std::string>("x l", "x"),
                               {"l x", "x"},
                               {"e h", "eh"},
                               {huge + " l", std::string(48, 'x') + "..."}}) {
    VocabularyData data = rankedData();
    data.merges[3] = text;
    EXPECT_EQ(refusal(data), "tokenizer merge 3: expected pieces of the "
                             "vocabulary, found '" +
                                 unknown + "', which is none");
  }
}

TEST(VocabularyTest, RefusesEqualMerges) {
  VocabularyData data = rankedData();
  data.merges[3] = data.merges[1];
  EXPECT_EQ(refusal(data), "tokenizer merge 3: expected a pair that no other "
                           "merge has, found 'h e' of merge 1");
}

TEST(VocabularyTest, RefusesTooManyMerges) {
  VocabularyData data = rankedData();
  data.merges.resize(Vocabulary::kMaxMerges + 1);
  EXPECT_EQ(refusal(data),
            "tokenizer: expected at most 4194304 merges, found 4194305");
}

TEST(VocabularyTest, RefusesMergesWhereScoresDecide) {
  VocabularyData data = smallData();
  data.merges = {"h e", "l l"};
  EXPECT_EQ(refusal(data), "tokenizer: expected no merges, because pieces "
                           "merge by score, found 2");
}

TEST(VocabularyTest, TakesTheEndMarkersOfGemma4) {
  VocabularyData data = rankedData();
  Vocabulary byText = make(data);
  std::vector<TokenId> ends = {byText.find("<eos>"), byText.find("<turn|>"),
                               byText.find("<|tool_response>")};
  EXPECT_EQ(byText.endOfGeneration(), ends);
  for (TokenId id : ends)
    EXPECT_EQ(byText.type(id), TokenType::Control);
  // Some files name the end of a turn.
  data.eos = byText.find("<turn|>");
  EXPECT_EQ(make(data).endOfGeneration(), ends);
}

TEST(VocabularyTest, BuildsTheLargestGemmaVocabularyQuickly) {
  VocabularyData data;
  data.addBos = false;
  data.algorithm = Algorithm::Bpe;
  addBytes(data);
  // Every text of three of 63 characters, with both ways to it.
  std::string letters;
  for (char c = '0'; letters.size() < 63; ++c)
    letters += c;
  std::vector<std::string> pairs;
  for (char a : letters) {
    add(data, {a}, TokenType::Normal);
    for (char b : letters)
      pairs.push_back({a, b});
  }
  for (const std::string &pair : pairs) {
    add(data, pair, TokenType::Normal);
    data.merges.push_back({pair[0], ' ', pair[1]});
    for (char c : letters) {
      add(data, pair + c, TokenType::Normal);
      data.merges.push_back(pair + ' ' + c);
      data.merges.push_back({pair[0], ' ', pair[1], c});
    }
  }
  ASSERT_GT(data.pieces.size(), 250000);
  ASSERT_GT(data.merges.size(), 500000);
  auto start = std::chrono::steady_clock::now();
  Vocabulary vocabulary = make(std::move(data));
  std::chrono::duration<double> elapsed =
      std::chrono::steady_clock::now() - start;
  for (TokenId id = 0; vocabulary.contains(id); ++id)
    ASSERT_EQ(vocabulary.find(vocabulary.piece(id)), id);
  // Optimized this takes 100 ms. A hash that collides takes minutes, an
  // unoptimized build on a busy machine a second.
  EXPECT_LT(elapsed.count(), 5.0);
}

} // namespace
