// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Guesses the next tokens of a text from what it has said before.

#ifndef FLOW_TEXT_PROMPTLOOKUP_H
#define FLOW_TEXT_PROMPTLOOKUP_H

#include "flow/Text/Vocabulary.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace flow::text {

/// Drafts for speculation without a second model: the last few tokens of a text
/// are looked up in the text itself, prompt and answer alike, and what followed
/// them there is the guess. Texts that quote, list, or correct other texts
/// repeat much of them.
///
/// Takes and looks up a token in constant time, whatever the length of the
/// text: for each number of tokens looked up there is an index of where they
/// were seen last.
class PromptLookup {
public:
  /// Tokens that are looked up: the most that were seen before, of these
  /// numbers. A single token says too little of what follows it.
  static constexpr size_t kLongest = 4, kShortest = 2;

  /// Appends the next token of the text.
  void append(TokenId token);

  /// At most `most` tokens that may come next; none where no `kShortest` last
  /// tokens were seen before. Of several places the latest one counts, of the
  /// most tokens. Where what followed there ends with the text, it is taken to
  /// begin anew: a text that repeats itself is guessed to go on so.
  std::vector<TokenId> propose(size_t most) const;

  /// Tokens of the text.
  size_t size() const { return text.size(); }

private:
  static constexpr size_t kLengths = kLongest - kShortest + 1;

  /// The last `length` tokens as a key of their index.
  uint64_t lastKey(size_t length) const;
  /// Where the last `length` tokens were seen before, as the index of the token
  /// that followed; 0 if they were not.
  size_t find(size_t length) const;

  std::vector<TokenId> text;
  /// For each length: where what followed its tokens last stands in the text.
  /// The tokens at the end of the text have no follower and are not yet in it.
  std::array<std::unordered_map<uint64_t, size_t>, kLengths> followers;
};

} // namespace flow::text

#endif // FLOW_TEXT_PROMPTLOOKUP_H
