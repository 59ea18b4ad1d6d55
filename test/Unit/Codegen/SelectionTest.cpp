// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The largest values of rows as code: the very numbers of the interpreter.

#include "StageTest.h"

#include <random>

using namespace flow;

namespace {

using Selection = StageTest;
INSTANTIATE_TEST_SUITE_P(Cpus, Selection, testing::ValuesIn(kFloatTargets),
                         targetName);

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::string textOf(const char *extent, int64_t width, int64_t count) {
  return substitute(R"(
func.func @f(%x: tensor<$Tx$Nxf32>) -> (tensor<$Tx$Kxf32>, tensor<$Tx$Kxi32>) {
  %v, %i = flow.top_k %x : tensor<$Tx$Nxf32> -> tensor<$Tx$Kxf32>
  return %v, %i : tensor<$Tx$Kxf32>, tensor<$Tx$Kxi32>
})",
                    {{"$T", extent},
                     {"$N", std::to_string(width)},
                     {"$K", std::to_string(count)}});
}

/// Rows of numbers, some of which are what a comparison can go wrong with.
enum class Content { Random, FewValues, Ascending, Constant, Holes, Nothing };
constexpr Content kContents[] = {Content::Random,    Content::FewValues,
                                 Content::Ascending, Content::Constant,
                                 Content::Holes,     Content::Nothing};

Tensor contentOf(Content content, int64_t rows, int64_t width) {
  Tensor x = randomTensor({rows, width}, 51);
  std::mt19937 generator(52);
  for (size_t i = 0; i != x.values.size(); ++i) {
    float &value = x.values[i];
    unsigned draw = generator() % 8;
    switch (content) {
    case Content::Random:
      break;
    case Content::FewValues:
      value = draw / 2;
      break;
    case Content::Ascending:
      value = i % width;
      break;
    case Content::Constant:
      value = -1;
      break;
    case Content::Holes:
      value = draw == 0   ? kNan
              : draw == 1 ? -kInfinity
              : draw == 2 ? kInfinity
              : draw == 3 ? 0.0f
              : draw == 4 ? -0.0f
                          : value;
      break;
    case Content::Nothing:
      // A row in two has one number.
      value = i == size_t(width / 2) ? -3e38f : draw % 2 ? kNan : -kInfinity;
      break;
    }
  }
  return x;
}

/// The bits of the values: -0 is not 0.
std::vector<uint32_t> bitsOf(const Tensor &tensor) {
  std::vector<uint32_t> bits;
  for (float value : tensor.values)
    bits.push_back(llvm::bit_cast<uint32_t>(value));
  return bits;
}

void expectSame(const CallResults &r) {
  ASSERT_EQ(r.computed.size(), r.expected.size());
  for (size_t i = 0; i != r.computed.size(); ++i)
    EXPECT_EQ(bitsOf(r.computed[i]), bitsOf(r.expected[i])) << "result " << i;
}

// Widths: one group of odd columns each, several groups of a piece, several
// pieces; counts: one, one place less and more than a vector, all.
TEST_P(Selection, OfAnyRow) {
  for (auto [width, counts] : {std::pair<int64_t, std::vector<int64_t>>{1, {1}},
                               {5, {1, 3, 5}},
                               {96, {1, 15, 16, 17, 96}},
                               {1536, {1, 31, 32, 33, 64, 65}},
                               {8192, {1, 64, 200}}})
    for (int64_t count : counts)
      for (auto [extent, rows] :
           {std::pair<const char *, std::vector<int64_t>>{"1", {1}},
            {"?", {1, 2, 12}}}) {
        CompiledFunction function(textOf(extent, width, count), GetParam());
        for (int64_t t : rows)
          for (Content content : kContents) {
            SCOPED_TRACE(testing::Message()
                         << count << " of " << t << " rows of " << width
                         << ", content " << int(content));
            expectSame(
                function.call({plainArgument(contentOf(content, t, width))}));
          }
      }
}

// The best of a row may all be in one group, or one in each.
TEST_P(Selection, OfOneGroupAndOfAll) {
  constexpr int64_t kWidth = 4096, kCount = 64;
  CompiledFunction function(textOf("1", kWidth, kCount), GetParam());
  for (int64_t stride : {1, 63, 64, 65}) {
    Tensor x({1, kWidth});
    for (int64_t i = 0; i != kCount; ++i)
      x.values[(i * stride + 3) % kWidth] = 1 + i % 7;
    expectSame(function.call({plainArgument(x)}));
  }
}

// Groups are searched from the largest on: what is equal to the last of the
// list may stand before it.
TEST_P(Selection, OfEqualValuesInAnEarlierGroup) {
  CompiledFunction function(textOf("1", 4096, 3), GetParam());
  Tensor x({1, 4096});
  x.values[3000] = 9;
  for (int64_t i : {10, 700, 3001, 3002})
    x.values[i] = 5;
  expectSame(function.call({plainArgument(x)}));
}

/// A head of `rows` tokens and eight candidates: the two stages, and the fused
/// form.
std::string headText(const char *extent, int64_t rows, const char *cap,
                     bool isBytes) {
  return substitute(
      R"(
func.func @f(%x: tensor<$Tx64xf32>, %w: $W) -> ($V, $I, $V, $I) {
  $QUANTIZE
  %l = flow.lm_head %r, %w$C : $R, $W -> tensor<$Tx$Nxf32>
  %v, %i = flow.top_k %l : tensor<$Tx$Nxf32> -> $V
  %a, %b = flow.lm_head_top_k %r, %w$C : $R, $W -> $V
  return %v, %i, %a, %b : $V, $I, $V, $I
})",
      {{"$QUANTIZE",
        isBytes ? "%r = flow.quantize_rows %x : tensor<$Tx64xf32> -> $R" : ""},
       {"%r", isBytes ? "%r" : "%x"},
       {"$R", isBytes ? "tensor<$Tx64xf32, #flow.quantized_rows<block = 16>>"
                      : "tensor<$Tx64xf32>"},
       {"$W", isBytes ? "tensor<$Nx64xf32, #flow.panels<i8, block = 32>>"
                      : "tensor<$Nx64xf32, #flow.panels<f32>>"},
       {"$V", "tensor<$Tx8xf32>"},
       {"$I", "tensor<$Tx8xi32>"},
       {"$C", cap},
       {"$N", std::to_string(rows)},
       {"$T", extent}});
}

// The fused form has the bits of the two stages, capped or not.
TEST_P(Selection, OfTheHead) {
  for (bool isBytes : {false, true})
    for (const char *cap : {"", " softcap 2.0e+00"})
      for (int64_t rows : {96, 512})
        for (const StepForm &form : kForms) {
          CompiledFunction function(headText(form.extent, rows, cap, isBytes),
                                    GetParam());
          CodeArgument weight =
              isBytes ? ByteWeight(rows, 64, 32, /*hasMinima=*/false, 53)
                            .argument(/*halfScales=*/true)
                      : f32PanelsArgument(randomTensor({rows, 64}, 53));
          for (StepRows step : form.steps) {
            SCOPED_TRACE(testing::Message()
                         << step.count << " rows by " << rows << cap
                         << (isBytes ? " in bytes" : ""));
            llvm::SmallVector<int64_t, 4> shape{step.padded, 8};
            std::vector<Tensor> r = function.run(
                {plainArgument(randomTensor({step.padded, 64}, 54)), weight},
                {shape, shape, shape, shape});
            ASSERT_EQ(r.size(), 4u);
            EXPECT_EQ(bitsOf(r[2]), bitsOf(r[0]));
            EXPECT_EQ(r[3].values, r[1].values);
            if (*cap) {
              EXPECT_LE(r[0].values[0], 2.0f);
            }
          }
        }
}

} // namespace
