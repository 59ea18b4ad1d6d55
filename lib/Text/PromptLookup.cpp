// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An index of the last few tokens at each place of a text.

#include "flow/Text/PromptLookup.h"

#include <algorithm>

using namespace flow::text;

uint64_t PromptLookup::lastKey(size_t length) const {
  // FNV-1a on whole tokens; different tokens of one key are told apart by
  // `find`.
  uint64_t key = 14695981039346656037u;
  for (auto token = text.end() - static_cast<ptrdiff_t>(length);
       token != text.end(); ++token)
    key = (key ^ static_cast<uint32_t>(*token)) * 1099511628211u;
  return key;
}

void PromptLookup::append(TokenId token) {
  for (size_t length = kShortest; length <= kLongest; ++length)
    if (text.size() >= length)
      followers[length - kShortest][lastKey(length)] = text.size();
  text.push_back(token);
}

size_t PromptLookup::find(size_t length) const {
  if (text.size() < length)
    return 0;
  const auto &index = followers[length - kShortest];
  auto found = index.find(lastKey(length));
  if (found == index.end())
    return 0;
  auto seen = text.begin() + static_cast<ptrdiff_t>(found->second);
  bool isSame = std::equal(text.end() - static_cast<ptrdiff_t>(length),
                           text.end(), seen - static_cast<ptrdiff_t>(length));
  return isSame ? found->second : 0;
}

std::vector<TokenId> PromptLookup::propose(size_t most) const {
  std::vector<TokenId> draft;
  for (size_t length = kLongest; length >= kShortest; --length) {
    size_t next = find(length);
    if (next == 0)
      continue;
    for (size_t i = 0; i != most; ++i)
      draft.push_back(next + i < text.size() ? text[next + i]
                                             : draft[next + i - text.size()]);
    break;
  }
  return draft;
}
