// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is guessed from a text, and what is not.

#include "flow/Text/PromptLookup.h"

#include <gtest/gtest.h>

#include <random>

using namespace flow::text;

namespace {

using Tokens = std::vector<TokenId>;

PromptLookup lookupOf(const Tokens &text) {
  PromptLookup lookup;
  for (TokenId token : text)
    lookup.append(token);
  return lookup;
}

Tokens propose(const Tokens &text, size_t most) {
  return lookupOf(text).propose(most);
}

/// What `propose` says, by looking at every place.
Tokens proposeSlowly(const Tokens &text, size_t most) {
  for (size_t length = PromptLookup::kLongest;
       length >= PromptLookup::kShortest; --length)
    for (size_t next = text.size(); next-- > length;) {
      if (!std::equal(text.begin() + next - length, text.begin() + next,
                      text.end() - length))
        continue;
      Tokens draft;
      // The text goes on with the draft.
      for (size_t i = next; draft.size() != most; ++i)
        draft.push_back(i < text.size() ? text[i] : draft[i - text.size()]);
      return draft;
    }
  return {};
}

} // namespace

TEST(PromptLookupTest, FindsNothingInNothing) {
  EXPECT_EQ(propose({}, 4), Tokens());
  EXPECT_EQ(propose({1}, 4), Tokens());
  EXPECT_EQ(propose({1, 2}, 4), Tokens());
  EXPECT_EQ(lookupOf({1, 2, 3}).size(), 3u);
}

TEST(PromptLookupTest, FindsNothingNew) {
  EXPECT_EQ(propose({1, 2, 3, 4, 5, 6, 7, 8}, 4), Tokens());
  // One token that was seen before is not enough.
  EXPECT_EQ(propose({1, 2, 3, 4, 1}, 4), Tokens());
  // Nor are two that were seen in another order.
  EXPECT_EQ(propose({1, 2, 3, 4, 2, 1}, 4), Tokens());
}

TEST(PromptLookupTest, SaysWhatFollowed) {
  EXPECT_EQ(propose({1, 2, 3, 4, 5, 9, 1, 2}, 3), (Tokens{3, 4, 5}));
  EXPECT_EQ(propose({1, 2, 3, 4, 5, 9, 1, 2}, 1), Tokens{3});
  EXPECT_EQ(propose({1, 2, 3, 4, 5, 9, 1, 2}, 0), Tokens());
}

TEST(PromptLookupTest, TakesTheLatestPlace) {
  EXPECT_EQ(propose({1, 2, 3, 1, 2, 4, 1, 2}, 1), Tokens{4});
}

TEST(PromptLookupTest, TakesTheMostTokens) {
  // 8, 1, 2 was seen before the last 1, 2.
  EXPECT_EQ(propose({8, 1, 2, 3, 9, 1, 2, 4, 8, 1, 2}, 1), Tokens{3});
  EXPECT_EQ(propose({7, 8, 1, 2, 5, 6, 8, 1, 2, 3, 7, 8, 1, 2}, 1), Tokens{5});
  // Of more than four tokens the latest four count.
  EXPECT_EQ(propose({6, 7, 8, 1, 2, 5, 9, 7, 8, 1, 2, 3, 6, 7, 8, 1, 2}, 1),
            Tokens{3});
}

TEST(PromptLookupTest, GoesOnWhereTheTextEnds) {
  // What followed is 3, 1, 2, and the text is at its end.
  EXPECT_EQ(propose({1, 2, 3, 1, 2}, 7), (Tokens{3, 1, 2, 3, 1, 2, 3}));
  // The place overlaps the end.
  EXPECT_EQ(propose({5, 5, 5}, 4), (Tokens{5, 5, 5, 5}));
  EXPECT_EQ(propose({5, 6, 5, 6, 5}, 4), (Tokens{6, 5, 6, 5}));
}

TEST(PromptLookupTest, TheEndIsNotItsOwnPlace) {
  EXPECT_EQ(propose({5, 5}, 4), Tokens());
  EXPECT_EQ(propose({1, 2, 3}, 4), Tokens());
}

TEST(PromptLookupTest, AgreesWithLookingEverywhere) {
  std::mt19937 random(1);
  PromptLookup lookup;
  Tokens text;
  size_t found = 0;
  for (int i = 0; i != 2000; ++i) {
    // Few tokens, so that all lengths are met.
    text.push_back(static_cast<TokenId>(random() % 9));
    lookup.append(text.back());
    size_t most = random() % 9;
    Tokens draft = lookup.propose(most);
    ASSERT_EQ(draft, proposeSlowly(text, most)) << i;
    found += draft.empty() ? 0 : 1;
  }
  EXPECT_GT(found, 1000u);
}
