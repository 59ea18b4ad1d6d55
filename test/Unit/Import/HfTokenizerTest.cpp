// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A tokenizer.json is read as the SentencePiece vocabulary it was made from.

#include "TestHfModels.h"

#include "flow/Import/TokenizerData.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::ElementsAre;
using testing::StartsWith;

namespace {

/// The parts of a tokenizer.json.
struct Parts {
  std::string vocab = R"("<pad>":0,"<eos>":1,"<bos>":2,"<unk>":3,"a":4,"b":5,
                         "ab":6,"aba":7,"<0x0A>":8,"\u2581\u2581":9)";
  std::string merges = R"(["a","b"],["ab","a"])";
  std::string added = R"({"id":0,"content":"<pad>","special":true},
      {"id":2,"content":"<bos>","special":true},
      {"id":9,"content":"\u2581\u2581","special":false},
      {"id":11,"content":"<unused1>","special":false})";
  std::string model = R"("type":"BPE","byte_fallback":true,
                         "unk_token":"<unk>")";
  std::string rest = R"("normalizer":{"type":"Replace",
                          "pattern":{"String":" "},"content":"\u2581"},
                        "pre_tokenizer":null)";
  std::string config = "\"eos_token_id\":1";
};

class Tokenizer {
public:
  explicit Tokenizer(const Parts &parts, llvm::StringRef type = "gemma3_text") {
    folder.write("config.json", hfConfig(type, parts.config));
    folder.write("model.safetensors", hfWeights(hfTensors()));
    folder.write("tokenizer.json",
                 "{\"model\":{" + parts.model + ",\"vocab\":{" + parts.vocab +
                     "},\"merges\":[" + parts.merges + "]},\"added_tokens\":[" +
                     parts.added + "]," + parts.rest + "}");
    model = llvm::cantFail(HfModel::open(folder.path()));
  }
  TokenizerData data() { return llvm::cantFail(model->readTokenizer(300)); }
  std::string error(int64_t vocab = 300) {
    return folderMessage(model->readTokenizer(vocab), folder,
                         "tokenizer.json: ");
  }

  TestFolder folder;
  std::unique_ptr<HfModel> model;
};

std::string errorOf(std::string Parts::*part, llvm::StringRef value) {
  Parts parts;
  parts.*part = value.str();
  return Tokenizer(parts).error();
}

} // namespace

TEST(HfTokenizer, PiecesScoresAndTypes) {
  Tokenizer tokenizer{Parts()};
  EXPECT_TRUE(tokenizer.model->hasTokenizer());
  TokenizerData data = tokenizer.data();
  EXPECT_EQ(data.model, "llama");
  // Markers that are text have spaces, and holes are filled.
  EXPECT_THAT(data.tokens,
              ElementsAre("<pad>", "<eos>", "<bos>", "<unk>", "a", "b", "ab",
                          "aba", "<0x0A>", "  ", "[PAD10]", "<unused1>"));
  EXPECT_THAT(data.types, ElementsAre(3, 1, 3, 2, 1, 1, 1, 1, 6, 4, 5, 3));
  EXPECT_EQ(data.scores[6], 0);
  EXPECT_EQ(data.scores[7], -1);
  EXPECT_LT(data.scores[4], -1000);
  EXPECT_EQ(data.scores.size(), 12u);
  EXPECT_EQ(data.bos, 2);
  EXPECT_EQ(data.eos, 1);
  EXPECT_EQ(data.unknown, 3);
  EXPECT_TRUE(data.addBos);
  EXPECT_FALSE(data.addSpacePrefix);
}

TEST(HfTokenizer, MergesAsTextAndTheFirstOfAPieceCounts) {
  Parts parts;
  parts.merges = R"("a b","ab a","a b")";
  TokenizerData data = Tokenizer(parts).data();
  EXPECT_EQ(data.scores[6], 0);
  EXPECT_EQ(data.scores[7], -1);
}

TEST(HfTokenizer, OtherKindsAreRefused) {
  EXPECT_EQ(errorOf(&Parts::model, R"("type":"Unigram","byte_fallback":true)"),
            "key 'model.type' must be 'BPE', found 'Unigram'");
  EXPECT_THAT(errorOf(&Parts::model, R"("type":"BPE")"),
              StartsWith("key 'model.byte_fallback' must be true"));
  EXPECT_THAT(errorOf(&Parts::rest, "\"normalizer\":null"),
              StartsWith("key 'normalizer' must replace each space"));
  EXPECT_THAT(errorOf(&Parts::rest, R"("normalizer":{"type":"NFC"})"),
              StartsWith("key 'normalizer' must replace each space"));
  EXPECT_THAT(errorOf(&Parts::rest, Parts().rest.substr(0, 110) + "\n"),
              StartsWith("is no JSON"));
  std::string split = Parts().rest;
  split.replace(split.find("null"), 4, R"({"type":"ByteLevel"})");
  EXPECT_THAT(errorOf(&Parts::rest, split),
              StartsWith("key 'pre_tokenizer' must be null or split at "));
}

TEST(HfTokenizer, PiecesThatAreWrong) {
  EXPECT_EQ(errorOf(&Parts::vocab, "\"a\":300"),
            "piece 'a' has the id 300, expected one below 300");
  EXPECT_EQ(errorOf(&Parts::vocab, "\"a\":-1"),
            "piece 'a' has the id -1, expected one below 300");
  EXPECT_EQ(errorOf(&Parts::vocab, "\"a\":\"b\""),
            "piece 'a' must have an id, found 'b'");
  EXPECT_THAT(errorOf(&Parts::vocab, "\"a\":1,\"b\":1"),
              StartsWith("the id 1 is of both "));
  EXPECT_EQ(errorOf(&Parts::vocab, "\"a\":1,\"a\":2"), "gives 'a' twice");
}

TEST(HfTokenizer, MergesThatAreWrong) {
  EXPECT_EQ(errorOf(&Parts::merges, R"(["b","a"])"),
            "merge 0 must be of two pieces that make a third, found an array");
  EXPECT_EQ(errorOf(&Parts::merges, R"(["a","b"],"ab")"),
            "merge 1 must be of two pieces that make a third, found 'ab'");
  EXPECT_EQ(errorOf(&Parts::merges, "7"),
            "merge 0 must be of two pieces that make a third, found 7");
}

TEST(HfTokenizer, AddedAndSpecialTokensThatAreWrong) {
  EXPECT_EQ(errorOf(&Parts::added, R"({"id":7,"content":"<pad>"})"),
            "the added token '<pad>' has the id 7, expected 0, that of the "
            "piece");
  EXPECT_EQ(errorOf(&Parts::added, R"({"id":7,"content":"new"})"),
            "the id 7 is of both 'aba' and 'new'");
  EXPECT_EQ(errorOf(&Parts::added, R"({"id":3000000000,"content":"new"})"),
            "piece 'new' has the id 3000000000, expected one below 300");
  EXPECT_EQ(errorOf(&Parts::added, "3"),
            "key 'added_tokens' must hold objects with id and content");
  EXPECT_EQ(errorOf(&Parts::model, R"("byte_fallback":true,
                                      "unk_token":"none")"),
            "key 'model.unk_token' is 'none', which is no piece");
  EXPECT_EQ(errorOf(&Parts::config, "\"eos_token_id\":12"),
            "a special token of the configuration has the id 12, expected one "
            "below 12");
}

TEST(HfTokenizer, WhatEndsAnAnswer) {
  Parts parts;
  parts.config = "\"eos_token_id\":[1,4]";
  Tokenizer tokenizer(parts);
  EXPECT_EQ(tokenizer.data().eos, 1);
  EXPECT_THAT(tokenizer.data().ends, ElementsAre(1, 4));
  // A generation_config.json goes before the configuration where it says so.
  auto generation = [&](llvm::StringRef keys) {
    tokenizer.folder.write("generation_config.json", "{" + keys.str() + "}");
  };
  generation("\"temperature\":1.0,\"eos_token_id\":null");
  EXPECT_THAT(tokenizer.data().ends, ElementsAre(1, 4));
  generation("\"eos_token_id\":[5,7]");
  EXPECT_EQ(tokenizer.data().eos, 5);
  EXPECT_THAT(tokenizer.data().ends, ElementsAre(5, 7));
  generation("\"eos_token_id\":6");
  EXPECT_THAT(tokenizer.data().ends, ElementsAre(6));
  generation("\"eos_token_id\":[1,12]");
  EXPECT_EQ(tokenizer.error(), "a special token of the configuration has the "
                               "id 12, expected one below 12");
}

TEST(HfTokenizer, SuppressedTokens) {
  Tokenizer tokenizer{Parts()};
  auto read = [&](llvm::StringRef keys) {
    tokenizer.folder.write("generation_config.json", "{" + keys.str() + "}");
    return tokenizer.model->readSuppressedTokens(300);
  };
  auto ids = [&](llvm::StringRef keys) { return llvm::cantFail(read(keys)); };
  auto error = [&](llvm::StringRef keys) {
    return folderMessage(read(keys), tokenizer.folder,
                         "generation_config.json: ");
  };
  EXPECT_THAT(llvm::cantFail(tokenizer.model->readSuppressedTokens(300)),
              ElementsAre());
  EXPECT_THAT(ids(R"("suppress_tokens":[299,4])"), ElementsAre(299, 4));
  EXPECT_THAT(ids(R"("suppress_tokens":null)"), ElementsAre());
  EXPECT_THAT(ids(R"("suppress_tokens":[])"), ElementsAre());
  for (const char *value :
       {"-1", "7", "\"7\"", "[7,-1]", "[1.5]", "[\"7\"]", "[[7]]", "[null]",
        "{}", "[3000000000000000000000]", "true"})
    EXPECT_THAT(error("\"suppress_tokens\":" + std::string(value)),
                StartsWith("key 'suppress_tokens' must be a list of ids of "
                           "tokens, found "))
        << value;
  EXPECT_THAT(error(R"("suppress_tokens":[3000000000])"),
              StartsWith("key 'suppress_tokens' must be "));
  EXPECT_THAT(error(R"("suppress_tokens":[4,300])"),
              StartsWith("key 'suppress_tokens' must be of ids below 300, the "
                         "rows of the embedding, and not of 300"));
  EXPECT_THAT(error(R"("eos_token_id":[1,300])"),
              StartsWith("key 'eos_token_id' must be of ids below 300"));
  EXPECT_THAT(error(R"("eos_token_id":"<eos>")"),
              StartsWith("key 'eos_token_id' must be an id of a token or a "));
  EXPECT_THAT(error(R"("eos_token_id":1,"eos_token_id":1)"),
              StartsWith("gives 'eos_token_id' twice"));
}

TEST(HfTokenizer, WithoutOne) {
  Tokenizer tokenizer{Parts()};
  llvm::sys::fs::remove(tokenizer.folder.path("tokenizer.json"));
  EXPECT_FALSE(tokenizer.model->hasTokenizer());
  EXPECT_EQ(tokenizer.error(),
            ": has no tokenizer.json and no tokenizer.model");
}
