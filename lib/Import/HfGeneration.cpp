// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads the tokens that generation_config.json names.

#include "HfGeneration.h"

#include "HfKeys.h"

using namespace flow;

/// Notes a problem unless all `ids` are below `vocab`.
static void checkIds(const HfKeys &keys, llvm::StringRef name,
                     const std::vector<int32_t> &ids, int64_t vocab) {
  for (int32_t id : ids)
    if (id >= vocab)
      keys.refuse(name, "of ids below " + llvm::Twine(vocab) +
                            ", the rows of the embedding, and not of " +
                            llvm::Twine(id));
}

llvm::Expected<HfGeneration> flow::parseHfGeneration(llvm::StringRef text,
                                                     llvm::StringRef path,
                                                     int64_t vocab) {
  llvm::Expected<llvm::json::Object> root = parseJsonObject(text, path + ":");
  if (!root)
    return root.takeError();
  std::string problem;
  HfKeys keys(*root, "", problem);
  constexpr llvm::StringLiteral kEos = "eos_token_id",
                                kSuppressed = "suppress_tokens";
  HfGeneration generation;
  if (keys.isSet(kEos)) {
    generation.eos = keys.tokenIds(kEos);
    checkIds(keys, kEos, *generation.eos, vocab);
  }
  if (const llvm::json::Value *list = root->get(kSuppressed);
      list && keys.isSet(kSuppressed)) {
    // One id alone, and -1 for none, are for the other key only.
    const llvm::json::Array *ids = list->getAsArray();
    bool isList = ids && llvm::none_of(*ids, [](const llvm::json::Value &id) {
                    return id.getAsInteger().value_or(-1) < 0;
                  });
    if (!isList)
      keys.refuse(kSuppressed, "a list of ids of tokens");
    generation.suppressed = keys.tokenIds(kSuppressed);
    checkIds(keys, kSuppressed, generation.suppressed, vocab);
  }
  if (!problem.empty())
    return llvm::createStringError(path + ": " + problem);
  return generation;
}
