// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tokenizer's fields: read as they are, refused where they disagree.

#include "TestGguf.h"

#include "flow/Import/TokenizerData.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::ElementsAre;

static TestGguf tokenizerFile() {
  TestGguf gguf;
  gguf.string("tokenizer.ggml.model", "llama")
      .strings("tokenizer.ggml.tokens", {"<pad>", "<eos>", "<bos>", "<unk>",
                                         "\xe2\x96\x81"
                                         "a"})
      .array<float>("tokenizer.ggml.scores", F32, {0, 0, 0, 0, -1.5f})
      .array<int32_t>("tokenizer.ggml.token_type", I32, {3, 3, 3, 2, 1})
      .u32("tokenizer.ggml.bos_token_id", 2)
      .u32("tokenizer.ggml.eos_token_id", 1)
      .u32("tokenizer.ggml.unknown_token_id", 3)
      .u32("tokenizer.ggml.padding_token_id", 0)
      .number<uint8_t>("tokenizer.ggml.add_bos_token", BOOL, 1)
      .number<uint8_t>("tokenizer.ggml.add_space_prefix", BOOL, 0);
  return gguf;
}

static std::string tokenizerError(const TestGguf &gguf, int64_t vocab = 5) {
  std::unique_ptr<GgufReader> file = mustOpen(gguf);
  return file ? messageOf(readTokenizerData(*file, vocab), file->path())
              : "unreadable";
}

TEST(TokenizerData, FieldsOfTheFile) {
  std::unique_ptr<GgufReader> file = mustOpen(tokenizerFile());
  llvm::Expected<TokenizerData> data = readTokenizerData(*file, 5);
  ASSERT_TRUE(bool(data)) << llvm::toString(data.takeError());
  EXPECT_EQ(data->model, "llama");
  EXPECT_THAT(data->tokens, ElementsAre("<pad>", "<eos>", "<bos>", "<unk>",
                                        "\xe2\x96\x81"
                                        "a"));
  EXPECT_THAT(data->scores, ElementsAre(0, 0, 0, 0, -1.5f));
  EXPECT_THAT(data->types, ElementsAre(3, 3, 3, 2, 1));
  EXPECT_EQ(data->bos, 2);
  EXPECT_EQ(data->eos, 1);
  EXPECT_EQ(data->unknown, 3);
  EXPECT_EQ(data->padding, 0);
  EXPECT_TRUE(data->addBos);
  EXPECT_FALSE(data->addSpacePrefix);
}

TEST(TokenizerData, DefaultsOfWhatFilesLeaveOut) {
  TestGguf gguf = tokenizerFile();
  for (const char *key :
       {"bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id",
        "add_bos_token", "add_space_prefix"})
    gguf.remove(std::string("tokenizer.ggml.") + key);
  std::unique_ptr<GgufReader> file = mustOpen(gguf);
  llvm::Expected<TokenizerData> data = readTokenizerData(*file, 5);
  ASSERT_TRUE(bool(data)) << llvm::toString(data.takeError());
  EXPECT_EQ(data->bos, -1);
  EXPECT_EQ(data->eos, -1);
  EXPECT_EQ(data->unknown, -1);
  EXPECT_EQ(data->padding, -1);
  EXPECT_TRUE(data->addBos);
  EXPECT_TRUE(data->addSpacePrefix);
}

TEST(TokenizerData, StringsLieInTheMappedFile) {
  TestFile onDisk(tokenizerFile());
  auto file = llvm::cantFail(GgufReader::open(onDisk.path()));
  TokenizerData once = llvm::cantFail(readTokenizerData(*file, 5));
  TokenizerData twice = llvm::cantFail(readTokenizerData(*file, 5));
  EXPECT_EQ(once.tokens[4].data(), twice.tokens[4].data());
}

TEST(TokenizerData, OtherOrNoTokenizer) {
  TestGguf gguf = tokenizerFile();
  gguf.remove("tokenizer.ggml.model");
  EXPECT_EQ(tokenizerError(gguf), "key 'tokenizer.ggml.model' is missing: the "
                                  "file has no tokenizer");
  gguf.string("tokenizer.ggml.model", "gpt2");
  EXPECT_EQ(tokenizerError(gguf),
            "the tokenizer 'gpt2' is not supported, expected 'llama' or "
            "'gemma4'");
}

TEST(TokenizerData, EachListMustBeThere) {
  for (const char *list : {"tokens", "token_type"}) {
    TestGguf gguf = tokenizerFile();
    gguf.remove(std::string("tokenizer.ggml.") + list);
    EXPECT_EQ(tokenizerError(gguf),
              "the tokenizer lacks its tokens or their types");
  }
  TestGguf gguf = tokenizerFile();
  gguf.remove("tokenizer.ggml.scores");
  EXPECT_EQ(tokenizerError(gguf), "the tokenizer lacks its scores");
}

TEST(TokenizerData, ListsOfAnotherType) {
  TestGguf gguf = tokenizerFile();
  gguf.remove("tokenizer.ggml.scores");
  gguf.array<int32_t>("tokenizer.ggml.scores", I32, {0, 0, 0, 0, 0});
  EXPECT_EQ(tokenizerError(gguf), "key 'tokenizer.ggml.scores' must be an "
                                  "array of f32, found an array of i32");
}

TEST(TokenizerData, ListsOfOtherLengths) {
  TestGguf scores = tokenizerFile();
  scores.remove("tokenizer.ggml.scores");
  scores.array<float>("tokenizer.ggml.scores", F32, {0, 0, 0, 0});
  EXPECT_EQ(tokenizerError(scores),
            "the tokenizer has 5 tokens and 4 scores, expected as many of "
            "each");
  TestGguf types = tokenizerFile();
  types.remove("tokenizer.ggml.token_type");
  types.array<int32_t>("tokenizer.ggml.token_type", I32, {3, 3, 3, 2, 1, 1});
  EXPECT_EQ(tokenizerError(types),
            "the tokenizer has 5 tokens and 6 types, expected as many of "
            "each");
}

TEST(TokenizerData, TokensBeyondTheEmbedding) {
  EXPECT_EQ(tokenizerError(tokenizerFile(), 4),
            "the tokenizer has 5 tokens, the embedding 4 rows");
  // Rows of padding are allowed.
  EXPECT_EQ(tokenizerError(tokenizerFile(), 6), "no error");
}

TEST(TokenizerData, NoTokens) {
  TestGguf gguf = tokenizerFile();
  for (const char *list : {"tokens", "scores", "token_type"})
    gguf.remove(std::string("tokenizer.ggml.") + list);
  gguf.strings("tokenizer.ggml.tokens", {});
  gguf.array<float>("tokenizer.ggml.scores", F32, {});
  gguf.array<int32_t>("tokenizer.ggml.token_type", I32, {});
  EXPECT_EQ(tokenizerError(gguf),
            "the tokenizer has 0 tokens, the embedding 5 rows");
}

TEST(TokenizerData, UnknownTokenTypes) {
  for (int32_t type : {0, 7, -1, INT32_MIN}) {
    TestGguf gguf = tokenizerFile();
    gguf.remove("tokenizer.ggml.token_type");
    gguf.array<int32_t>("tokenizer.ggml.token_type", I32, {3, 3, 3, 2, type});
    EXPECT_EQ(tokenizerError(gguf),
              "a token has the unknown type " + std::to_string(type));
  }
}

TEST(TokenizerData, SpecialIdsOutsideTheTokens) {
  for (const char *name :
       {"bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id"})
    for (int64_t id : {int64_t(5), int64_t(-1), int64_t(1) << 32}) {
      TestGguf gguf = tokenizerFile();
      std::string key = std::string("tokenizer.ggml.") + name;
      gguf.replace(key, I64, id);
      EXPECT_EQ(tokenizerError(gguf), "key '" + key + "' is " +
                                          std::to_string(id) +
                                          ", outside the 5 tokens");
    }
}

TEST(TokenizerData, SuppressedTokens) {
  auto read = [](const TestGguf &gguf) {
    return mustOpen(gguf)->readSuppressedTokens(8);
  };
  constexpr char kKey[] = "tokenizer.ggml.suppress_tokens";
  EXPECT_THAT(llvm::cantFail(read(tokenizerFile())), ElementsAre());
  // Rows of padding beyond the tokens may be suppressed.
  EXPECT_THAT(
      llvm::cantFail(read(tokenizerFile().array<int32_t>(kKey, I32, {7, 0}))),
      ElementsAre(7, 0));
  for (int32_t id : {8, -1, INT32_MIN}) {
    std::unique_ptr<GgufReader> file =
        mustOpen(tokenizerFile().array<int32_t>(kKey, I32, {1, id}));
    EXPECT_EQ(messageOf(file->readSuppressedTokens(8), file->path()),
              "key 'tokenizer.ggml.suppress_tokens' names the token " +
                  std::to_string(id) + ", outside the 8 rows of the embedding");
  }
  std::unique_ptr<GgufReader> file =
      mustOpen(tokenizerFile().array<float>(kKey, F32, {1}));
  EXPECT_THAT(messageOf(file->readSuppressedTokens(8), file->path()),
              testing::HasSubstr("suppress_tokens' must be "));
}

TEST(TokenizerData, FlagsMustBeBools) {
  TestGguf gguf = tokenizerFile();
  gguf.replace<uint32_t>("tokenizer.ggml.add_space_prefix", U32, 0);
  EXPECT_EQ(tokenizerError(gguf),
            "key 'tokenizer.ggml.add_space_prefix' must be a bool, found a "
            "value of type u32");
}

/// The same tokens under a list of merges.
static TestGguf rankedFile() {
  TestGguf gguf = tokenizerFile();
  gguf.remove("tokenizer.ggml.model");
  gguf.string("tokenizer.ggml.model", "gemma4");
  gguf.strings("tokenizer.ggml.merges", {"\xe2\x96\x81 a", "a b"});
  return gguf;
}

TEST(TokenizerData, FieldsOfARankedTokenizer) {
  std::unique_ptr<GgufReader> file = mustOpen(rankedFile());
  llvm::Expected<TokenizerData> data = readTokenizerData(*file, 5);
  ASSERT_TRUE(bool(data)) << llvm::toString(data.takeError());
  EXPECT_EQ(data->model, "gemma4");
  EXPECT_THAT(data->merges, ElementsAre("\xe2\x96\x81 a", "a b"));
  EXPECT_THAT(data->scores, ElementsAre(0, 0, 0, 0, 0));
  EXPECT_THAT(data->types, ElementsAre(3, 3, 3, 2, 1));
  EXPECT_EQ(data->bos, 2);
}

TEST(TokenizerData, RankedTokenizersAlwaysAddTheBeginning) {
  for (bool isThere : {false, true}) {
    TestGguf gguf = rankedFile();
    gguf.remove("tokenizer.ggml.add_bos_token");
    gguf.remove("tokenizer.ggml.add_space_prefix");
    if (isThere) {
      gguf.number<uint8_t>("tokenizer.ggml.add_bos_token", BOOL, 0);
      gguf.number<uint8_t>("tokenizer.ggml.add_space_prefix", BOOL, 1);
    }
    std::unique_ptr<GgufReader> file = mustOpen(gguf);
    llvm::Expected<TokenizerData> data = readTokenizerData(*file, 5);
    ASSERT_TRUE(bool(data)) << llvm::toString(data.takeError());
    EXPECT_TRUE(data->addBos);
    EXPECT_FALSE(data->addSpacePrefix);
  }
}

TEST(TokenizerData, RankedTokenizersNeedMergesAndNoScores) {
  TestGguf gguf = rankedFile();
  gguf.remove("tokenizer.ggml.scores");
  EXPECT_EQ(tokenizerError(gguf), "no error");
  gguf.array<float>("tokenizer.ggml.scores", F32, {1});
  EXPECT_EQ(tokenizerError(gguf), "no error");
  gguf.remove("tokenizer.ggml.merges");
  EXPECT_EQ(tokenizerError(gguf), "the tokenizer lacks its merges");
  gguf.array<int32_t>("tokenizer.ggml.merges", I32, {1, 2});
  EXPECT_EQ(tokenizerError(gguf), "key 'tokenizer.ggml.merges' must be an "
                                  "array of strings, found an array of i32");
}

TEST(TokenizerData, MergesOfOtherTokenizersAreNotRead) {
  TestGguf gguf = tokenizerFile();
  gguf.strings("tokenizer.ggml.merges", {"a b"});
  std::unique_ptr<GgufReader> file = mustOpen(gguf);
  TokenizerData data = llvm::cantFail(readTokenizerData(*file, 5));
  EXPECT_TRUE(data.merges.empty());
}
