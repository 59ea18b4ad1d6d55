// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads the fields of a GGUF file that are about tokens.

#include "flow/Import/TokenizerData.h"

#include "Quote.h"

#include "llvm/ADT/Twine.h"

using namespace flow;

/// Reads what tells which tokens to merge first: a list of pairs, or a score
/// for each of the `count` tokens.
static llvm::Error readOrder(const GgufReader &file, int64_t count, bool byRank,
                             TokenizerData &data) {
  if (byRank) {
    auto merges = file.getStrings("tokenizer.ggml.merges");
    if (!merges)
      return merges.takeError();
    if (!*merges)
      return llvm::createStringError(file.path() +
                                     ": the tokenizer lacks its merges");
    data.merges = std::move(**merges);
    data.scores.assign(count, 0);
    return llvm::Error::success();
  }
  auto scores = file.getFloats("tokenizer.ggml.scores");
  if (!scores)
    return scores.takeError();
  if (!*scores)
    return llvm::createStringError(file.path() +
                                   ": the tokenizer lacks its scores");
  if (count != static_cast<int64_t>((*scores)->size()))
    return llvm::createStringError(file.path() + ": the tokenizer has " +
                                   llvm::Twine(count) + " tokens and " +
                                   llvm::Twine((*scores)->size()) +
                                   " scores, expected as many of each");
  data.scores = std::move(**scores);
  return llvm::Error::success();
}

llvm::Expected<TokenizerData> flow::readTokenizerData(const GgufReader &file,
                                                      int64_t vocab) {
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError(file.path() + ": " + what);
  };
  TokenizerData data;
  auto model = file.getString("tokenizer.ggml.model");
  if (!model)
    return model.takeError();
  if (!*model)
    return fail("key 'tokenizer.ggml.model' is missing: the file has no "
                "tokenizer");
  data.model = **model;
  bool byRank = data.model == "gemma4";
  if (data.model != "llama" && !byRank)
    return fail("the tokenizer " + quoted(data.model) +
                " is not supported, expected 'llama' or 'gemma4'");

  auto tokens = file.getStrings("tokenizer.ggml.tokens");
  if (!tokens)
    return tokens.takeError();
  auto types = file.getIntegers("tokenizer.ggml.token_type");
  if (!types)
    return types.takeError();
  if (!*tokens || !*types)
    return fail("the tokenizer lacks its tokens or their types");
  auto count = static_cast<int64_t>((*tokens)->size());
  if (count != static_cast<int64_t>((*types)->size()))
    return fail("the tokenizer has " + llvm::Twine(count) + " tokens and " +
                llvm::Twine((*types)->size()) +
                " types, expected as many of each");
  // A model may have padding rows beyond its tokens, but not fewer rows.
  if (count == 0 || count > vocab)
    return fail("the tokenizer has " + llvm::Twine(count) +
                " tokens, the embedding " + llvm::Twine(vocab) + " rows");
  data.tokens = std::move(**tokens);
  data.types.reserve(count);
  for (int64_t type : **types) {
    if (type < 1 || type > 6)
      return fail("a token has the unknown type " + llvm::Twine(type));
    data.types.push_back(static_cast<int32_t>(type));
  }
  if (llvm::Error error = readOrder(file, count, byRank, data))
    return error;
  for (auto [key, id] :
       {std::pair("tokenizer.ggml.bos_token_id", &data.bos),
        std::pair("tokenizer.ggml.eos_token_id", &data.eos),
        std::pair("tokenizer.ggml.unknown_token_id", &data.unknown),
        std::pair("tokenizer.ggml.padding_token_id", &data.padding)}) {
    auto value = file.getInteger(key);
    if (!value)
      return value.takeError();
    if (!*value)
      continue;
    if (**value < 0 || **value >= count)
      return fail(llvm::Twine("key '") + key + "' is " + llvm::Twine(**value) +
                  ", outside the " + llvm::Twine(count) + " tokens");
    *id = static_cast<int32_t>(**value);
  }
  for (auto [key, flag] :
       {std::pair("tokenizer.ggml.add_bos_token", &data.addBos),
        std::pair("tokenizer.ggml.add_space_prefix", &data.addSpacePrefix)}) {
    auto value = file.getBool(key);
    if (!value)
      return value.takeError();
    if (*value)
      *flag = **value;
  }
  // Some published files of Gemma 4 say otherwise; the model does not know
  // texts that begin in another way.
  if (byRank) {
    data.addBos = true;
    data.addSpacePrefix = false;
  }
  return data;
}

llvm::Expected<TokenizerData> GgufReader::readTokenizer(int64_t vocab) const {
  return readTokenizerData(*this, vocab);
}

llvm::Expected<std::vector<int32_t>>
GgufReader::readSuppressedTokens(int64_t vocab) const {
  constexpr llvm::StringLiteral kKey = "tokenizer.ggml.suppress_tokens";
  auto list = getIntegers(kKey);
  if (!list)
    return list.takeError();
  std::vector<int32_t> ids;
  for (int64_t id : list->value_or(std::vector<int64_t>())) {
    if (id < 0 || id >= vocab)
      return llvm::createStringError(
          path() + ": key '" + kKey + "' names the token " + llvm::Twine(id) +
          ", outside the " + llvm::Twine(vocab) + " rows of the embedding");
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}
