// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the tokenizers of a Hugging Face folder have in common.

#include "HfTokens.h"

using namespace flow;

bool flow::looksLikeControl(llvm::StringRef text) {
  return text == "<pad>" || text == "<mask>" || text == "<2mass>" ||
         text == "[@BOS@]" || text.starts_with("<unused") ||
         (text.starts_with("<|") && text.ends_with("|>"));
}

std::string flow::withSpaces(llvm::StringRef text) {
  std::string result;
  while (!text.empty()) {
    auto [before, after] = text.split(kSpace);
    result += before;
    if (before.size() != text.size())
      result += ' ';
    text = after;
  }
  return result;
}

std::string flow::setSpecialTokens(const HfConfig &config, int64_t count,
                                   TokenizerData &data) {
  data.bos = config.bos;
  data.padding = config.pad;
  data.eos = config.eos.empty() ? -1 : config.eos.front();
  data.ends = config.eos;
  std::vector<int32_t> special = config.eos;
  special.insert(special.end(), {data.bos, data.padding});
  for (int32_t id : special)
    if (id >= count)
      return "a special token of the configuration has the id " +
             std::to_string(id) + ", expected one below " +
             std::to_string(count);
  data.addBos = data.bos >= 0;
  data.addSpacePrefix = false;
  return {};
}
