// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads the tokenizer's fields of a GGUF file.

#include "flow/Import/TokenizerData.h"

#include "Quote.h"

#include "llvm/ADT/Twine.h"

using namespace flow;

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
  if (data.model != "llama")
    return fail("the tokenizer " + quoted(data.model) +
                " is not supported, expected 'llama'");

  auto tokens = file.getStrings("tokenizer.ggml.tokens");
  if (!tokens)
    return tokens.takeError();
  auto scores = file.getFloats("tokenizer.ggml.scores");
  if (!scores)
    return scores.takeError();
  auto types = file.getIntegers("tokenizer.ggml.token_type");
  if (!types)
    return types.takeError();
  if (!*tokens || !*scores || !*types)
    return fail("the tokenizer lacks its tokens, scores or types");
  auto count = static_cast<int64_t>((*tokens)->size());
  if (count != static_cast<int64_t>((*scores)->size()) ||
      count != static_cast<int64_t>((*types)->size()))
    return fail("the tokenizer has " + llvm::Twine(count) + " tokens, " +
                llvm::Twine((*scores)->size()) + " scores and " +
                llvm::Twine((*types)->size()) +
                " types, expected as many of "
                "each");
  // A model may have padding rows beyond its tokens, but not fewer rows.
  if (count == 0 || count > vocab)
    return fail("the tokenizer has " + llvm::Twine(count) +
                " tokens, the embedding " + llvm::Twine(vocab) + " rows");
  data.tokens = std::move(**tokens);
  data.scores = std::move(**scores);
  data.types.reserve(count);
  for (int64_t type : **types) {
    if (type < 1 || type > 6)
      return fail("a token has the unknown type " + llvm::Twine(type));
    data.types.push_back(static_cast<int32_t>(type));
  }
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
  return data;
}
