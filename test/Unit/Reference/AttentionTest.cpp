// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention against a direct loop, and what it sees of a cache.

#include "TestModule.h"

using namespace flow;

namespace {

/// One attention, in numbers and as text.
struct Case {
  int64_t rows, start, total, capacity, heads, groups, dim;
  bool causal = true;
  int64_t window = 0;
  double scale = 0.25, softcap = 0;
  /// Spans, if the mask has them: free of the window, or limited by it.
  bool hasSpans = false, freeSpans = false;
  std::vector<PositionSpan> spans = {};

  bool sees(int64_t query, int64_t key) const {
    bool inWindow = window == 0 || key > query - window;
    bool together = false;
    if (hasSpans)
      for (auto [begin, end] : spans)
        together |= begin <= query && query < end && begin <= key && key < end;
    if (freeSpans && together)
      return true;
    return inWindow && (!causal || key <= query || together);
  }

  std::string text() const {
    std::string size = "x" + std::to_string(dim) + "xf32>";
    std::string q = "tensor<?x" + std::to_string(heads) + size;
    std::string k = "tensor<?x" + std::to_string(groups) + size;
    std::string mask = causal ? "causal" : "full";
    if (window)
      mask += ", window = " + std::to_string(window);
    if (hasSpans)
      mask += freeSpans ? ", spans = free" : ", spans = windowed";
    std::string numbers = "scale " + std::to_string(scale);
    if (softcap)
      numbers += " softcap " + std::to_string(softcap);
    return "func.func @f(%q: " + q + ", %k: " + k + ", %v: " + k +
           ", %start: index, %total: index" +
           (hasSpans ? ", %s: tensor<?x2xi32>" : "") + ") -> " + q +
           " {\n  %o = flow.attention %q at %start, %k, %v total %total " +
           (hasSpans ? "spans %s : tensor<?x2xi32> " : "") + "mask <" + mask +
           "> " + numbers + " : " + q + ", " + k + "\n  return %o : " + q +
           "\n}";
  }
};

struct Operands {
  Tensor query, key, value;
};

Operands randomOperands(const Case &c) {
  return {randomTensor({c.rows, c.heads, c.dim}, 31),
          randomTensor({c.capacity, c.groups, c.dim}, 32),
          randomTensor({c.capacity, c.groups, c.dim}, 33)};
}

TokenTensorRef spanRows(llvm::ArrayRef<PositionSpan> spans) {
  std::vector<int32_t> values;
  for (auto [begin, end] : spans)
    values.insert(values.end(), {int32_t(begin), int32_t(end)});
  int64_t shape[] = {int64_t(spans.size()), 2};
  return std::make_shared<const TokenTensor>(shape, std::move(values));
}

std::vector<InterpretedValue> argumentsOf(const Case &c,
                                          const Operands &operands) {
  std::vector<InterpretedValue> arguments{
      share(operands.query), share(operands.key), share(operands.value),
      c.start, c.total};
  if (c.hasSpans)
    arguments.push_back(spanRows(c.spans));
  return arguments;
}

Tensor interpret(const Case &c, const Operands &operands) {
  return TestModule(c.text()).run(argumentsOf(c, operands));
}

/// The largest amount by which `actual` misses the direct loop for `c`, in
/// units of what both may err.
double worstMiss(const Case &c, const Operands &operands,
                 const Tensor &actual) {
  const auto &[query, key, value] = operands;
  double worst = 0;
  for (int64_t t = 0; t < c.rows; ++t)
    for (int64_t h = 0; h < c.heads; ++h) {
      int64_t g = h * c.groups / c.heads, q = c.start + t;
      auto at = [&](int64_t j) {
        return (j % c.capacity * c.groups + g) * c.dim;
      };
      std::vector<double> sum(c.dim);
      double total = 0, largestProduct = 0;
      int64_t visible = 0;
      for (int64_t j = 0; j < c.total; ++j) {
        bool present = j >= c.total - c.capacity;
        if (!present || !c.sees(q, j))
          continue;
        ++visible;
        double score = 0, magnitude = 0;
        for (int64_t i = 0; i < c.dim; ++i) {
          double product = double(query.values[(t * c.heads + h) * c.dim + i]) *
                           key.values[at(j) + i];
          score += product;
          magnitude += std::abs(product);
        }
        largestProduct = std::max(largestProduct, magnitude);
        score *= c.scale;
        if (c.softcap)
          score = std::tanh(score / c.softcap) * c.softcap;
        // Scores are small here, so that none needs to be subtracted.
        double weight = std::exp(score);
        total += weight;
        for (int64_t i = 0; i < c.dim; ++i)
          sum[i] += weight * value.values[at(j) + i];
      }
      // The contract of the op in f64 with an exp that errs by two units, once
      // for either side; the cap adds to a score an error of three units, of
      // a division, a tanh and a product, and has a slope of at most 1.
      double delta = (c.dim + 2) * kF64 * c.scale * largestProduct;
      if (c.softcap)
        delta += 3 * kF64 * c.scale * largestProduct;
      double side = std::expm1(2 * delta) + (visible + 3) * kF64 + 4 * kF64;
      for (int64_t i = 0; i < c.dim; ++i) {
        double exact = visible ? sum[i] / total : 0;
        double got = actual.values[(t * c.heads + h) * c.dim + i];
        double bound = 2 * side + kF32 * std::abs(exact); // |v| <= 1
        worst = std::max(worst, std::abs(got - exact) / bound);
      }
    }
  return worst;
}

/// Checks a case, and that its `wrong` neighbour would be noticed.
void check(const Case &c, const Case &wrong) {
  Operands operands = randomOperands(c);
  Tensor actual = interpret(c, operands);
  EXPECT_LE(worstMiss(c, operands, actual), 1);
  EXPECT_GT(worstMiss(wrong, operands, actual), 100);
}

} // namespace

TEST(Attention, Causal) {
  Case c{5, 3, 8, 8, 2, 2, 8};
  Case wrong = c;
  wrong.start = 4;
  check(c, wrong);
}

TEST(Attention, CausalIsNotFull) {
  Case c{5, 0, 5, 5, 1, 1, 4};
  Case wrong = c;
  wrong.causal = false;
  check(c, wrong);
  check(wrong, c);
}

TEST(Attention, WindowShowsExactlySoManyKeys) {
  for (int64_t window : {1, 3, 4, 5}) {
    SCOPED_TRACE(window);
    Case c{4, 4, 8, 8, 1, 1, 4};
    c.window = window;
    for (int64_t off : {-1, 1}) {
      Case wrong = c;
      wrong.window += off;
      if (wrong.window)
        check(c, wrong);
    }
  }
}

TEST(Attention, WindowWiderThanThePastIsCausal) {
  Case c{4, 4, 8, 8, 1, 1, 4}, windowed = c;
  windowed.window = 8;
  Operands operands = randomOperands(c);
  EXPECT_EQ(interpret(c, operands).values,
            interpret(windowed, operands).values);
}

TEST(Attention, HeadsShareKeysInTurn) {
  Case c{3, 2, 5, 5, 6, 2, 8};
  Operands operands = randomOperands(c);
  Tensor actual = interpret(c, operands);
  EXPECT_LE(worstMiss(c, operands, actual), 1);
  // The control: head h reading h mod K.
  Tensor swapped = actual;
  for (int64_t t = 0; t < 3; ++t)
    std::swap_ranges(&swapped.values[(t * 6 + 1) * 8],
                     &swapped.values[(t * 6 + 2) * 8],
                     &swapped.values[(t * 6 + 3) * 8]);
  EXPECT_GT(worstMiss(c, operands, swapped), 100);
}

TEST(Attention, SoftcapComesAfterTheScale) {
  Case c{3, 2, 5, 5, 2, 1, 8};
  c.scale = 2;
  c.softcap = 0.5;
  Case uncapped = c, capFirst = c;
  uncapped.softcap = 0;
  // Scaled after the cap, 2 * 0.5 * tanh(z / 0.5), is 1 * tanh(2 z / 1): a cap
  // at 1.
  capFirst.softcap = 1;
  check(c, uncapped);
  check(c, capFirst);
}

// T12: a masked key weighs exactly 0, even where every score is close to the
// bottom of the cap. Behind a cap the mask would be no more than the score
// -cap.
TEST(Attention, MaskComesAfterTheSoftcap) {
  Case c{1, 1, 3, 3, 1, 1, 2};
  c.softcap = 2;
  c.scale = 1;
  // Keys 0 and 1 score -2 * tanh(50), which is -2: as much as a hidden score
  // would behind a cap of 2. Key 2 is masked.
  Operands operands{Tensor({1, 1, 2}, {10, 0}),
                    Tensor({3, 1, 2}, {-10, 0, -10, 0, 10, 0}),
                    Tensor({3, 1, 2}, {1, 3, 5, 7, 1e30f, -1e30f})};
  EXPECT_EQ(interpret(c, operands).values, (std::vector<float>{3, 5}));
  // The same before a window.
  c.window = 1;
  operands.value.values = {1e30f, -1e30f, 5, 7, 1e30f, -1e30f};
  EXPECT_EQ(interpret(c, operands).values, (std::vector<float>{5, 7}));
}

// T9: an image of four tokens, in a full layer, in a windowed one, and with
// both rules; and the control with an end that is one off.
TEST(Attention, RowsOfASpanSeeEachOther) {
  for (int64_t window : {0, 1, 2, 4, 7})
    for (bool isFree : {false, true}) {
      if (window == 0 && !isFree)
        continue;
      SCOPED_TRACE(testing::Message() << "window " << window << isFree);
      Case c{8, 2, 10, 12, 2, 1, 4};
      c.window = window;
      c.hasSpans = true;
      c.freeSpans = isFree;
      c.spans = {{0, 1}, {4, 8}, {8, 9}};
      Case wrong = c;
      wrong.spans[1].end = 7;
      check(c, wrong);
      wrong.spans = {};
      check(c, wrong);
      // Where the window hides keys of the span, the rules differ.
      if (window != 0 && window < 4) {
        wrong = c;
        wrong.freeSpans = !isFree;
        check(c, wrong);
      }
    }
}

TEST(Attention, SpansOfARingWithSoftcapAndSharedHeads) {
  // Positions 18 to 25 are in the ring; the span began before them.
  Case c{3, 23, 26, 8, 4, 2, 8};
  c.window = 3;
  c.softcap = 0.5;
  c.scale = 2;
  c.hasSpans = c.freeSpans = true;
  c.spans = {{2, 5}, {16, 25}};
  Case wrong = c;
  wrong.spans[1].begin = 19;
  check(c, wrong);
}

TEST(Attention, SeesOfASpanWhatIsPresent) {
  // The span goes on behind the step, and the key after the last is stale.
  Case c{2, 4, 6, 8, 1, 1, 4};
  c.hasSpans = c.freeSpans = true;
  c.spans = {{4, 100}};
  Case wrong = c;
  wrong.total = 7;
  check(c, wrong);
}

TEST(Attention, WithoutSpansTheMaskIsCausal) {
  Case causal{4, 4, 8, 8, 2, 1, 4}, none = causal;
  none.hasSpans = none.freeSpans = true;
  Operands operands = randomOperands(causal);
  EXPECT_EQ(interpret(causal, operands).values,
            interpret(none, operands).values);
}

TEST(Attention, RefusesSpansThatAreNone) {
  Case c{1, 0, 1, 1, 1, 1, 2};
  c.hasSpans = c.freeSpans = true;
  auto expectRefused = [&](std::vector<PositionSpan> spans, const char *why) {
    c.spans = std::move(spans);
    EXPECT_THAT(TestModule(c.text()).error(argumentsOf(c, randomOperands(c))),
                testing::HasSubstr(why));
  };
  expectRefused({{3, 3}}, "expects span 0 to begin at 0 or later and to end "
                          "behind its begin, got 3 to 3");
  expectRefused({{-1, 2}}, "span 0 to begin at 0 or later");
  expectRefused({{0, 4}, {3, 6}}, "expects span 1 to begin at 4 or later");
  expectRefused({{5, 6}, {0, 2}}, "got 0 to 2");
}

TEST(Attention, RingHoldsTheLastPositions) {
  // Positions 6 to 13 are in rows 6, 7, 0, ..., 5.
  Case c{3, 11, 14, 8, 2, 1, 4};
  c.window = 6;
  Case wrong = c;
  wrong.window = 7;
  check(c, wrong);
  // Without a window, what the ring has lost is not seen either.
  Case causal = c, shifted = c;
  causal.window = shifted.window = 0;
  shifted.total = 13;
  check(causal, shifted);
}

TEST(Attention, PositionsAreAbsolute) {
  // A ring of 8 rows at positions around 10^6: what matters is the remainder.
  Case near{2, 14, 16, 8, 1, 1, 4}, far = near;
  far.start += 1000000;
  far.total += 1000000;
  Operands operands = randomOperands(near);
  EXPECT_EQ(interpret(near, operands).values, interpret(far, operands).values);
}

TEST(Attention, RowWithoutKeysIsZero) {
  Case c{2, 6, 4, 4, 1, 1, 4};
  c.window = 3;
  // Row 0 is position 6 and sees key 4 and later, which are not there.
  Tensor actual = interpret(c, randomOperands(c));
  EXPECT_EQ(actual.values, std::vector<float>(8, 0.0f));
}

TEST(Attention, NoKeysAtAll) {
  Case c{2, 0, 0, 0, 1, 1, 4};
  EXPECT_EQ(interpret(c, randomOperands(c)).values,
            std::vector<float>(8, 0.0f));
}

TEST(Attention, RowsDependOnNeitherOthersNorCapacity) {
  Case c{6, 2, 8, 8, 2, 1, 8};
  Operands operands = randomOperands(c);
  Tensor all = interpret(c, operands);
  // The last row alone, over a cache with room to spare.
  Case last{1, 7, 8, 20, 2, 1, 8};
  Operands wide = randomOperands(last);
  std::copy(operands.key.values.begin(), operands.key.values.end(),
            wide.key.values.begin());
  std::copy(operands.value.values.begin(), operands.value.values.end(),
            wide.value.values.begin());
  std::copy(operands.query.values.end() - 16, operands.query.values.end(),
            wide.query.values.begin());
  EXPECT_EQ(std::vector<float>(all.values.end() - 16, all.values.end()),
            interpret(last, wide).values);
}

TEST(Attention, LargeScoresDoNotOverflow) {
  Case c{1, 1, 2, 2, 1, 1, 2};
  c.scale = 1000;
  Tensor actual = interpret(c, {Tensor({1, 1, 2}, {100, 100}),
                                Tensor({2, 1, 2}, {100, 100, -100, -100}),
                                Tensor({2, 1, 2}, {3, 4, 5, 6})});
  EXPECT_EQ(actual.values, (std::vector<float>{3, 4}));
}

TEST(Attention, BlocksAreOnlyAHint) {
  Case c{3, 9, 12, 12, 1, 1, 4};
  c.window = 5;
  Operands operands = randomOperands(c);
  std::string text = c.text();
  text.insert(text.find("scale"), "blocks <first = window, size = 4> ");
  Tensor blocked =
      TestModule(text).run({share(operands.query), share(operands.key),
                            share(operands.value), c.start, c.total});
  EXPECT_EQ(blocked.values, interpret(c, operands).values);
}
