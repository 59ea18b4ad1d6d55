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

  std::string text() const {
    std::string size = "x" + std::to_string(dim) + "xf32>";
    std::string q = "tensor<?x" + std::to_string(heads) + size;
    std::string k = "tensor<?x" + std::to_string(groups) + size;
    std::string mask = causal ? "causal" : "full";
    if (window)
      mask += ", window = " + std::to_string(window);
    std::string numbers = "scale " + std::to_string(scale);
    if (softcap)
      numbers += " softcap " + std::to_string(softcap);
    return "func.func @f(%q: " + q + ", %k: " + k + ", %v: " + k +
           ", %start: index, %total: index) -> " + q +
           " {\n  %o = flow.attention %q at %start, %k, %v total %total mask "
           "<" +
           mask + "> " + numbers + " : " + q + ", " + k +
           "\n  return %o : " + q + "\n}";
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

Tensor interpret(const Case &c, const Operands &operands) {
  return TestModule(c.text()).run({share(operands.query), share(operands.key),
                                   share(operands.value), c.start, c.total});
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
        bool inBand = (!c.causal || j <= q) && (!c.window || j > q - c.window);
        if (!present || !inBand)
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
