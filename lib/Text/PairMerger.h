// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The merging of characters into pieces, pair by pair, in an order that a rule
// gives.

#ifndef FLOW_LIB_TEXT_PAIRMERGER_H
#define FLOW_LIB_TEXT_PAIRMERGER_H

#include "flow/Text/Vocabulary.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <queue>
#include <string_view>
#include <vector>

namespace flow::text {

/// What a rule says of two neighbours that it merges: the piece they make, and
/// when. What has the least order is merged first, the leftmost of equal ones.
template <typename Order> struct PairMatch {
  Order order;
  TokenId id;
};

/// `Rule` has a type `Order` and a function
///   std::optional<PairMatch<Order>> match(std::string_view both, TokenId left,
///                                         TokenId right) const;
/// where `both` is the text of the two neighbours, and an id is `kNoToken`
/// where a character is no piece.
template <typename Rule> class PairMerger {
public:
  PairMerger(const Vocabulary &vocabulary, const Rule &rule)
      : vocabulary(vocabulary), rule(rule) {}

  /// Appends the ids of `newText`. What is no piece in the end is a character
  /// and becomes one `Byte` piece for each byte.
  void run(std::string_view newText, std::vector<TokenId> &ids) {
    text = newText;
    split();
    for (size_t right = 1; right < symbols.size(); ++right)
      propose(int32_t(right - 1), int32_t(right));
    while (!pairs.empty()) {
      Pair best = pairs.top();
      pairs.pop();
      merge(best);
    }
    for (int32_t at = symbols.empty() ? -1 : 0; at >= 0; at = symbols[at].next)
      emit(symbols[at], ids);
  }

private:
  /// A stretch of the text in a doubly linked list; an absorbed one has length
  /// 0.
  struct Symbol {
    uint32_t begin;
    uint32_t length;
    int32_t previous;
    int32_t next;
    TokenId id;
  };

  /// Two neighbours that make a piece. They are still as they were when it was
  /// found if and only if their lengths add up to `length`, because a symbol
  /// only ever grows until it is absorbed.
  struct Pair {
    typename Rule::Order order;
    int32_t left;
    int32_t right;
    uint32_t length;
    TokenId id;

    /// The order of the heap, whose top is the greatest.
    bool operator<(const Pair &other) const {
      return order > other.order || (order == other.order && left > other.left);
    }
  };

  /// The length that the first byte of a character promises. A continuation
  /// byte counts as a character of its own.
  static uint32_t promisedLength(uint8_t first) {
    if (first < 0xC0)
      return 1;
    if (first < 0xE0)
      return 2;
    return first < 0xF0 ? 3 : 4;
  }

  void split() {
    symbols.clear();
    uint32_t size = uint32_t(text.size());
    for (uint32_t begin = 0; begin < size;) {
      uint32_t length =
          std::min(promisedLength(uint8_t(text[begin])), size - begin);
      int32_t index = int32_t(symbols.size());
      bool last = begin + length == size;
      symbols.push_back({begin, length, index - 1, last ? -1 : index + 1,
                         vocabulary.find(text.substr(begin, length))});
      begin += length;
    }
  }

  void propose(int32_t left, int32_t right) {
    if (left < 0 || right < 0)
      return;
    uint32_t length = symbols[left].length + symbols[right].length;
    auto match = rule.match(text.substr(symbols[left].begin, length),
                            symbols[left].id, symbols[right].id);
    if (match)
      pairs.push({match->order, left, right, length, match->id});
  }

  void merge(const Pair &pair) {
    Symbol &left = symbols[pair.left];
    Symbol &right = symbols[pair.right];
    if (left.length == 0 || right.length == 0 ||
        left.length + right.length != pair.length)
      return;
    left.length = pair.length;
    left.id = pair.id;
    right.length = 0;
    left.next = right.next;
    if (right.next >= 0)
      symbols[right.next].previous = pair.left;
    propose(left.previous, pair.left);
    propose(pair.left, left.next);
  }

  void emit(const Symbol &symbol, std::vector<TokenId> &ids) const {
    if (symbol.id != kNoToken) {
      ids.push_back(symbol.id);
      return;
    }
    for (char c : text.substr(symbol.begin, symbol.length))
      ids.push_back(vocabulary.byteToken(uint8_t(c)));
  }

  const Vocabulary &vocabulary;
  const Rule &rule;
  std::string_view text;
  std::vector<Symbol> symbols;
  std::priority_queue<Pair> pairs;
};

} // namespace flow::text

#endif // FLOW_LIB_TEXT_PAIRMERGER_H
