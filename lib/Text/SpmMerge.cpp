// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The merging of characters into pieces, highest score first.

#include "SpmMerge.h"

#include <algorithm>
#include <cstdint>
#include <queue>

using namespace flow;
using namespace flow::text;

/// The length that the first byte of a character promises. A continuation byte
/// counts as a character of its own.
static uint32_t promisedLength(uint8_t first) {
  if (first < 0xC0)
    return 1;
  if (first < 0xE0)
    return 2;
  return first < 0xF0 ? 3 : 4;
}

namespace {

/// A stretch of the text in a doubly linked list; an absorbed one has length 0.
struct Symbol {
  uint32_t begin;
  uint32_t length;
  int32_t previous;
  int32_t next;
};

/// Two neighbours whose concatenation is a piece. They are still as they were
/// when it was found if and only if their lengths add up to `length`, because
/// a symbol only ever grows until it is absorbed.
struct Pair {
  float score;
  int32_t left;
  int32_t right;
  uint32_t length;

  /// The order of the heap, whose top is the greatest.
  bool operator<(const Pair &other) const {
    return score < other.score || (score == other.score && left > other.left);
  }
};

class Merger {
public:
  Merger(const Vocabulary &vocabulary, std::string_view text)
      : vocabulary(vocabulary), text(text) {}

  void run(std::vector<TokenId> &ids) {
    split();
    for (size_t right = 1; right < symbols.size(); ++right)
      propose(int32_t(right - 1), int32_t(right));
    while (!pairs.empty()) {
      Pair best = pairs.top();
      pairs.pop();
      merge(best);
    }
    for (int32_t at = symbols.empty() ? -1 : 0; at >= 0; at = symbols[at].next)
      emit(textOf(symbols[at]), ids);
  }

private:
  std::string_view textOf(const Symbol &symbol) const {
    return text.substr(symbol.begin, symbol.length);
  }

  void split() {
    uint32_t size = uint32_t(text.size());
    for (uint32_t begin = 0; begin < size;) {
      uint32_t length =
          std::min(promisedLength(uint8_t(text[begin])), size - begin);
      int32_t index = int32_t(symbols.size());
      bool last = begin + length == size;
      symbols.push_back({begin, length, index - 1, last ? -1 : index + 1});
      begin += length;
    }
  }

  void propose(int32_t left, int32_t right) {
    if (left < 0 || right < 0)
      return;
    uint32_t length = symbols[left].length + symbols[right].length;
    TokenId id = vocabulary.find(text.substr(symbols[left].begin, length));
    if (id == kNoToken)
      return;
    TokenType type = vocabulary.type(id);
    if (type == TokenType::Control || type == TokenType::Unknown)
      return;
    pairs.push({vocabulary.score(id), left, right, length});
  }

  void merge(const Pair &pair) {
    Symbol &left = symbols[pair.left];
    Symbol &right = symbols[pair.right];
    if (left.length == 0 || right.length == 0 ||
        left.length + right.length != pair.length)
      return;
    left.length = pair.length;
    right.length = 0;
    left.next = right.next;
    if (right.next >= 0)
      symbols[right.next].previous = pair.left;
    propose(left.previous, pair.left);
    propose(pair.left, left.next);
  }

  void emit(std::string_view symbol, std::vector<TokenId> &ids) const {
    TokenId id = vocabulary.find(symbol);
    if (id != kNoToken) {
      ids.push_back(id);
      return;
    }
    for (char c : symbol)
      ids.push_back(vocabulary.byteToken(uint8_t(c)));
  }

  const Vocabulary &vocabulary;
  std::string_view text;
  std::vector<Symbol> symbols;
  std::priority_queue<Pair> pairs;
};

} // namespace

void flow::text::mergePieces(const Vocabulary &vocabulary,
                             std::string_view text, std::vector<TokenId> &ids) {
  Merger(vocabulary, text).run(ids);
}
