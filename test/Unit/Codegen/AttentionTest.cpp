// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention over rings of cached keys as code, against the interpreter.

#include "StageTest.h"

using namespace flow;

namespace {

using CompiledAttention = StageTest;
INSTANTIATE_TEST_SUITE_P(Cpus, CompiledAttention,
                         testing::ValuesIn(kFloatTargets), targetName);

/// One attention, in numbers and as text. A tile is 12 rows: the query heads of
/// one key/value head for 12, 6 or 3 tokens, or for one if 12 is no multiple.
struct AttentionCase {
  int64_t heads, kvHeads, dim, capacity;
  bool causal = true;
  int64_t window = 0;
  bool startsAtWindow = false;
  double softcap = 0;
  SpanRule spanRule = SpanRule::None;
  /// How far before the step a span begins that the first row is in.
  int64_t spanLead = 0;
  /// What keys and values are kept as: f32, bf16 or f16.
  runtime::ElementType element = runtime::ElementType::F32;

  /// Not the scale of heads without one of their own.
  double scale() const { return 1.25 / std::sqrt(double(dim)); }

  std::string text(const std::string &extent) const {
    std::string mask = causal ? "causal" : "full";
    if (window)
      mask += ", window = " + std::to_string(window);
    bool hasSpans = spanRule != SpanRule::None;
    if (hasSpans)
      mask += ", spans = " + stringifySpanRule(spanRule).str();
    bool isFree = spanRule == SpanRule::Free;
    std::string numbers = "scale " + std::to_string(scale());
    if (softcap)
      numbers += " softcap " + std::to_string(softcap);
    return substitute(
        R"(
func.func @f(%q: $Y, %kc: $C, %vc: $C, %start: index, %total: index$A) -> $Y {
  %o = flow.attention %q at %start, %kc, %vc total %total $O mask <$M> blocks <first = $F, last = $L, size = 32> $S : $Y, $C
  return %o : $Y
})",
        {{"$Y", "tensor<$Tx$Hx$Dxf32>"},
         {"$C",
          std::string("tensor<?x$Kx$Dx") + runtime::elementName(element) + ">"},
         {"$T", extent},
         {"$H", std::to_string(heads)},
         {"$K", std::to_string(kvHeads)},
         {"$D", std::to_string(dim)},
         {"$M", mask},
         {"$F", !startsAtWindow ? "zero"
                : isFree        ? "span"
                                : "window"},
         {"$L", !causal    ? "total"
                : hasSpans ? "span"
                           : "row"},
         {"$A", hasSpans ? ", %s: tensor<?x2xi32>" : ""},
         {"$O", hasSpans ? "spans %s : tensor<?x2xi32>" : ""},
         {"$S", numbers}});
  }

  /// Spans around a step at `start`: one long past, one that holds the first
  /// rows and after it one row in none, and two side by side, of which the last
  /// is not whole when the step ends.
  std::vector<PositionSpan> spans(int64_t start) const {
    if (spanRule == SpanRule::None)
      return {};
    std::vector<PositionSpan> spans{
        {std::max<int64_t>(0, start - spanLead), start + 5},
        {start + 6, start + 8},
        {start + 8, start + 40}};
    if (spans.front().begin > 3)
      spans.insert(spans.begin(), {1, 3});
    return spans;
  }

  /// The positions that the row at `position` sees of a step at `start`: from
  /// the first to before the last.
  std::pair<int64_t, int64_t> visible(int64_t position, int64_t start,
                                      int64_t total) const {
    int64_t first = window ? std::max<int64_t>(0, position + 1 - window) : 0;
    int64_t last = causal ? position + 1 : total;
    for (PositionSpan span : spans(start)) {
      if (!span.contains(position))
        continue;
      last = std::min(span.end, total);
      if (spanRule == SpanRule::Free)
        first = std::min(first, span.begin);
    }
    return {std::max(first, total - capacity), last};
  }
};

/// Keys or values `[C, KV, D]` of the positions below `total`, as the cache
/// holds them. Rows that no position has reached yet hold what must not be
/// seen.
Tensor randomCache(const AttentionCase &c, int64_t total, uint32_t seed) {
  Tensor cache = withPadding(randomTensor({c.capacity, c.kvHeads, c.dim}, seed),
                             std::min(c.capacity, total));
  // f16 has no larger number.
  if (c.element == runtime::ElementType::F16)
    for (float &value : cache.values)
      value = std::min(value, 65504.0f);
  return roundedTo(c.element, std::move(cache));
}

/// What each element of the result errs by. With `d` what a score errs by and
/// `e` what exp does, weights move by e^(2 d) - 1 + 2 e, and n keys and three
/// more steps round: flow.attention states this of the largest value, which
/// need not be of more than one column. A score errs by (D + 2) u of what its
/// product sums up, and by its cap. The interpreter rounds.
std::vector<double> attentionErrors(const AttentionCase &c, const Tensor &query,
                                    const Tensor &keys, const Tensor &values,
                                    int64_t start, int64_t count) {
  std::vector<double> errors(query.values.size());
  int64_t total = start + count;
  for (int64_t t = 0; t != count; ++t)
    for (int64_t h = 0; h != c.heads; ++h) {
      int64_t g = h * c.kvHeads / c.heads;
      size_t row = (t * c.heads + h) * c.dim;
      auto [first, last] = c.visible(start + t, start, total);
      auto at = [&](int64_t j) {
        return (j % c.capacity * c.kvHeads + g) * c.dim;
      };
      double largest = 0;
      for (int64_t j = first; j != last; ++j) {
        double sum = 0;
        for (int64_t i = 0; i != c.dim; ++i)
          sum +=
              std::abs(double(query.values[row + i]) * keys.values[at(j) + i]);
        largest = std::max(largest, sum * c.scale());
      }
      double score = (c.dim + 2) * kF32 * largest;
      if (c.softcap)
        score += softcapError(std::min(largest, c.softcap));
      double relative = std::expm1(2 * score) + (last - first + 3) * kF32 +
                        2 * kExpError + kF32;
      for (int64_t i = 0; i != c.dim; ++i) {
        double value = 0;
        for (int64_t j = first; j != last; ++j)
          value = std::max<double>(value, std::abs(values.values[at(j) + i]));
        errors[row + i] = relative * value;
      }
    }
  return errors;
}

/// Runs both forms of `c` at each of `starts`.
void expectAttention(const AttentionCase &c, const CodeTarget &target,
                     llvm::ArrayRef<int64_t> starts) {
  for (const StepForm &form : kForms) {
    CompiledFunction function(c.text(form.extent), target);
    for (StepRows rows : form.steps)
      for (int64_t start : starts) {
        SCOPED_TRACE(testing::Message() << rows.count << " rows at " << start);
        int64_t total = start + rows.count;
        Tensor query = randomTensor({rows.padded, c.heads, c.dim}, 101);
        Tensor keys = randomCache(c, total, 102);
        Tensor values = randomCache(c, total, 103);
        std::vector<double> errors =
            attentionErrors(c, query, keys, values, start, rows.count);
        CodeArgument queryArgument =
            plainArgument(withPadding(query, rows.count));
        auto arguments = [&](const Tensor &values) {
          std::vector<CodeArgument> list{
              queryArgument, keyCacheArgument(keys, c.element),
              valueCacheArgument(values, c.element), indexArgument(start),
              indexArgument(total)};
          if (c.spanRule != SpanRule::None)
            list.push_back(spansArgument(c.spans(start)));
          return list;
        };
        CallResults r = function.call(arguments(values));
        ASSERT_EQ(r.computed.size(), 1u);
        EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count, errors),
                  1);
        // Without the value of the oldest key that the first row sees, and of
        // the newest.
        auto [first, last] = c.visible(start, start, total);
        int64_t width = c.kvHeads * c.dim;
        for (int64_t key : {first, last - 1}) {
          Tensor without = values;
          std::fill_n(without.values.begin() + key % c.capacity * width, width,
                      0.0f);
          std::vector<Tensor> control = function.interpret(arguments(without));
          EXPECT_GT(worstRatio(control[0], r.expected[0], 1, errors), 1);
        }
      }
  }
}

TEST_P(CompiledAttention, Causal) {
  for (AttentionCase c :
       {AttentionCase{2, 1, 64, 96}, AttentionCase{2, 2, 256, 96},
        AttentionCase{5, 1, 64, 96}})
    expectAttention(c, GetParam(), {0, 1, 19, 20, 31, 32, 63, 83});
}

// Keys and values are read as they are kept, and count as what was kept.
TEST_P(CompiledAttention, CachesOfShorterTypes) {
  for (runtime::ElementType element :
       {runtime::ElementType::BF16, runtime::ElementType::F16})
    for (AttentionCase c :
         {AttentionCase{2, 1, 64, 96}, AttentionCase{4, 2, 256, 96},
          AttentionCase{5, 1, 32, 96}}) {
      c.element = element;
      expectAttention(c, GetParam(), {0, 19, 32, 83});
    }
}

// T29: heads of 27B models, and of full layers of a Gemma 4.
TEST_P(CompiledAttention, OtherHeadSizes) {
  for (AttentionCase c :
       {AttentionCase{4, 2, 128, 64}, AttentionCase{4, 1, 512, 64}})
    expectAttention(c, GetParam(), {0, 31, 51});
}

TEST_P(CompiledAttention, CausalWithSoftcap) {
  AttentionCase c{8, 2, 64, 96};
  c.softcap = 0.5;
  expectAttention(c, GetParam(), {0, 31, 32, 83});
}

TEST_P(CompiledAttention, Full) {
  AttentionCase c{4, 2, 64, 96};
  c.causal = false;
  expectAttention(c, GetParam(), {0, 19, 20, 31, 32, 83});
}

// Without any key a row has no weights to divide by their sum.
TEST_P(CompiledAttention, GivesZerosWithoutKeys) {
  AttentionCase c{4, 2, 64, 32};
  c.causal = false;
  for (const StepForm &form : kForms) {
    CompiledFunction function(c.text(form.extent), GetParam());
    int64_t rows = form.steps.front().padded;
    Tensor cache = randomCache(c, /*total=*/0, 112);
    CallResults r =
        function.call({plainArgument(randomTensor({rows, c.heads, c.dim}, 113)),
                       keyCacheArgument(cache), valueCacheArgument(cache),
                       indexArgument(0), indexArgument(0)});
    ASSERT_EQ(r.computed.size(), 1u);
    EXPECT_TRUE(sameValues(r.computed[0], r.expected[0], rows));
    EXPECT_EQ(r.expected[0].values.front(), 0);
  }
}

// A window of 40 and steps of 24 need 63 rows, which are 64.
TEST_P(CompiledAttention, WindowFromZero) {
  AttentionCase c{2, 1, 64, 64};
  c.window = 40;
  expectAttention(c, GetParam(), {0, 27, 38, 39, 40, 41, 52, 63, 64, 200});
}

TEST_P(CompiledAttention, StartsAtWindow) {
  for (AttentionCase c :
       {AttentionCase{2, 1, 256, 64}, AttentionCase{4, 2, 64, 64}}) {
    c.window = 40;
    c.startsAtWindow = true;
    expectAttention(c, GetParam(),
                    {0, 27, 38, 39, 40, 41, 52, 63, 64, 71, 72, 1000});
  }
}

// T9: images in a layer without a window. The rows of a tile are several, and
// several are its spans.
TEST_P(CompiledAttention, SpansWithoutAWindow) {
  for (AttentionCase c :
       {AttentionCase{2, 1, 64, 96}, AttentionCase{4, 2, 64, 96},
        AttentionCase{5, 1, 64, 96}}) {
    c.spanRule = SpanRule::Free;
    c.spanLead = 2;
    expectAttention(c, GetParam(), {0, 1, 20, 27, 31, 32, 60, 83});
  }
}

// A span begins in the panel of the window, before it, or where the ring has
// lost it.
TEST_P(CompiledAttention, FreeSpansOfAWindow) {
  for (bool startsAtWindow : {false, true})
    for (auto [window, lead] : {std::pair(4, 3), {40, 50}, {40, 200}}) {
      // Six tokens of a tile, and one.
      AttentionCase c{startsAtWindow ? 4 : 10, 2, 64, 96};
      c.window = window;
      c.startsAtWindow = startsAtWindow;
      c.spanRule = SpanRule::Free;
      c.spanLead = lead;
      expectAttention(c, GetParam(), {0, 27, 63, 83, 133, 1000});
    }
}

TEST_P(CompiledAttention, WindowedSpans) {
  for (bool startsAtWindow : {false, true})
    for (int64_t window : {4, 40}) {
      AttentionCase c{8, 2, 64, 64};
      c.window = window;
      c.startsAtWindow = startsAtWindow;
      c.softcap = 0.5;
      c.spanRule = SpanRule::Windowed;
      c.spanLead = 50;
      expectAttention(c, GetParam(), {0, 3, 27, 39, 63, 64, 200});
    }
}

// T12: what is masked weighs exactly 0, though every score is at the bottom of
// the cap, where a mask before the cap would leave it.
TEST_P(CompiledAttention, MaskComesAfterTheSoftcap) {
  AttentionCase c{2, 1, 64, 32};
  c.softcap = 2;
  for (const StepForm &form : kForms) {
    CompiledFunction function(c.text(form.extent), GetParam());
    int64_t rows = form.steps.front().padded;
    Tensor query({rows, c.heads, c.dim}), keys({c.capacity, 1, c.dim});
    std::fill(query.values.begin(), query.values.end(), 10.0f);
    std::fill(keys.values.begin(), keys.values.end(), -10.0f);
    Tensor values({c.capacity, 1, c.dim});
    for (int64_t j = 0; j != c.capacity; ++j)
      std::fill_n(values.values.begin() + j * c.dim, c.dim,
                  j < 4 ? float(j) : 1e30f);
    std::vector<Tensor> results = function.run(
        {plainArgument(withPadding(query, 1)), keyCacheArgument(keys),
         valueCacheArgument(values), indexArgument(3), indexArgument(4)},
        query.shape);
    ASSERT_EQ(results.size(), 1u);
    // The mean of the values 0 to 3.
    for (int64_t i = 0; i != c.heads * c.dim; ++i)
      EXPECT_NEAR(results[0].values[i], 1.5, 8 * kF32);
  }
}

/// `c` after an append to the caches that it reads, which are results too.
std::string appendText(const AttentionCase &c, const std::string &extent) {
  std::string text = c.text(extent);
  std::string rows =
      substitute("tensor<$Tx$Kx$Dxf32>", {{"$T", extent},
                                          {"$K", std::to_string(c.kvHeads)},
                                          {"$D", std::to_string(c.dim)}});
  std::string cache = "tensor<?" + rows.substr(rows.find('x'));
  std::string query =
      substitute("tensor<$Tx$Hx$Dxf32>", {{"$T", extent},
                                          {"$H", std::to_string(c.heads)},
                                          {"$D", std::to_string(c.dim)}});
  std::string attention =
      text.substr(text.find("  %o"), text.find("  return") - text.find("  %o"));
  return substitute(
      R"(
func.func @f(%q: $Y, %k: $R, %v: $R, %ka: $C, %va: $C, %start: index, %count: index) -> ($Y, $C, $C) {
  %kc, %vc = flow.kv_append %k, %v into %ka, %va at %start count %count : $R, $C
  %total = arith.addi %start, %count : index
$O  return %o, %kc, %vc : $Y, $C, $C
})",
      {{"$O", attention}, {"$Y", query}, {"$R", rows}, {"$C", cache}});
}

// The rows of a step see each other, and those that the step overwrites are
// those that none of it sees.
TEST_P(CompiledAttention, ReadsWhatTheStepAppends) {
  AttentionCase c{4, 2, 64, 64};
  c.window = 40;
  c.startsAtWindow = true;
  for (const StepForm &form : kForms) {
    CompiledFunction function(appendText(c, form.extent), GetParam());
    for (StepRows rows : form.steps)
      for (int64_t start : {0, 39, 40, 52, 63, 64, 200}) {
        SCOPED_TRACE(testing::Message() << rows.count << " rows at " << start);
        Tensor query = randomTensor({rows.padded, c.heads, c.dim}, 104);
        auto argument = [&](uint32_t seed) {
          return plainArgument(withPadding(
              randomTensor({rows.padded, c.kvHeads, c.dim}, seed), rows.count));
        };
        CallResults r = function.call(
            {plainArgument(withPadding(query, rows.count)), argument(105),
             argument(106), keyCacheArgument(randomCache(c, start, 107)),
             valueCacheArgument(randomCache(c, start, 108)),
             indexArgument(start), indexArgument(rows.count)});
        ASSERT_EQ(r.computed.size(), 3u);
        for (int i : {1, 2})
          EXPECT_TRUE(sameValues(r.computed[i], r.expected[i], c.capacity));
        std::vector<double> errors = attentionErrors(
            c, query, r.expected[1], r.expected[2], start, rows.count);
        EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count, errors),
                  1);
      }
  }
}

// Prefill in steps of any size and decode make the same cache, so they must
// make the same bits of every row.
TEST_P(CompiledAttention, ARowDoesNotDependOnItsStep) {
  AttentionCase c{2, 1, 64, 64};
  c.window = 40;
  c.startsAtWindow = true;
  CompiledFunction step(c.text("?"), GetParam()), row(c.text("1"), GetParam());
  constexpr int64_t start = 47, count = 13, padded = 24;
  Tensor query = randomTensor({padded, c.heads, c.dim}, 109);
  Tensor keys = randomCache(c, start + count, 110);
  Tensor values = randomCache(c, start + count, 111);
  llvm::SmallVector<int64_t, 4> shape{padded, c.heads, c.dim};
  std::vector<Tensor> together = step.run(
      {plainArgument(query), keyCacheArgument(keys), valueCacheArgument(values),
       indexArgument(start), indexArgument(start + count)},
      shape);
  ASSERT_EQ(together.size(), 1u);
  int64_t width = c.heads * c.dim;
  shape[0] = 1;
  for (int64_t t = 0; t != count; ++t) {
    auto from = query.values.begin() + t * width;
    Tensor one(shape, {from, from + width});
    std::vector<Tensor> alone = row.run(
        {plainArgument(one), keyCacheArgument(keys), valueCacheArgument(values),
         indexArgument(start + t), indexArgument(start + t + 1)},
        shape);
    ASSERT_EQ(alone.size(), 1u);
    EXPECT_TRUE(std::equal(alone[0].values.begin(), alone[0].values.end(),
                           together[0].values.begin() + t * width))
        << "row " << t;
  }
}

} // namespace
