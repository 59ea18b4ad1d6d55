// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The largest values of rows: ties, what is never taken, and the head with it.

#include "TestModule.h"

#include <limits>

using namespace flow;
using testing::ElementsAre;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// What flow.top_k makes of one row.
struct Best {
  std::vector<float> values;
  std::vector<int32_t> indices;
};

Best bestOf(const std::vector<float> &row, int k) {
  int64_t width = row.size();
  std::string n = std::to_string(width), m = std::to_string(k);
  std::vector<InterpretedValue> results =
      TestModule("func.func @f(%x: tensor<1x" + n + "xf32>) -> (tensor<1x" + m +
                 "xf32>, tensor<1x" + m +
                 "xi32>) {\n%v, %i = flow.top_k %x : tensor<1x" + n +
                 "xf32> -> tensor<1x" + m + "xf32>\nreturn %v, %i : tensor<1x" +
                 m + "xf32>, tensor<1x" + m + "xi32>\n}")
          .call({share(Tensor({1, width}, row))});
  if (results.size() != 2)
    return {};
  return {std::get<TensorRef>(results[0])->values,
          std::get<TokenTensorRef>(results[1])->values};
}

TEST(TopK, TheLargestFirst) {
  Best best = bestOf({-2, 5, 0.5, 7, -9}, 3);
  EXPECT_THAT(best.values, ElementsAre(7, 5, 0.5));
  EXPECT_THAT(best.indices, ElementsAre(3, 1, 2));
}

TEST(TopK, OfEqualValuesTheFirst) {
  Best best = bestOf({1, 3, 2, 3, 2, 3, 2}, 4);
  EXPECT_THAT(best.values, ElementsAre(3, 3, 3, 2));
  EXPECT_THAT(best.indices, ElementsAre(1, 3, 5, 2));
}

TEST(TopK, ZerosOfBothSignsAreEqual) {
  EXPECT_THAT(bestOf({-0.0f, 0.0f, -1}, 2).indices, ElementsAre(0, 1));
}

TEST(TopK, NeitherNanNorMinusInfinityIsTaken) {
  Best best = bestOf({kNan, -kInfinity, kInfinity, kNan, -3e38f}, 4);
  EXPECT_THAT(best.values,
              ElementsAre(kInfinity, -3e38f, -kInfinity, -kInfinity));
  EXPECT_THAT(best.indices, ElementsAre(2, 4, -1, -1));
}

TEST(TopK, ARowOfNothing) {
  Best best = bestOf({kNan, -kInfinity}, 2);
  EXPECT_THAT(best.values, ElementsAre(-kInfinity, -kInfinity));
  EXPECT_THAT(best.indices, ElementsAre(-1, -1));
}

TEST(TopK, AWholeRowIsSorted) {
  EXPECT_THAT(bestOf({2, 9, 4}, 3).indices, ElementsAre(1, 2, 0));
  EXPECT_THAT(bestOf({2, 9, 4}, 1).indices, ElementsAre(1));
}

TEST(TopK, EachRowHasItsOwn) {
  std::vector<InterpretedValue> results =
      TestModule(R"(
func.func @f(%x: tensor<?x3xf32>) -> tensor<?x2xi32> {
  %v, %i = flow.top_k %x : tensor<?x3xf32> -> tensor<?x2xf32>
  return %i : tensor<?x2xi32>
})")
          .call({share(Tensor({2, 3}, {1, 2, 3, 3, 2, 1}))});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_THAT(std::get<TokenTensorRef>(results[0])->values,
              ElementsAre(2, 1, 0, 1));
}

TEST(LmHeadTopK, EqualsTheTwoStages) {
  for (const char *cap : {"", " softcap 2.0e-01"}) {
    std::string text = R"(
func.func @f(%x: tensor<?x9xf32>, %w: tensor<50x9xf32>) -> (tensor<?x7xf32>, tensor<?x7xi32>, tensor<?x7xf32>, tensor<?x7xi32>) {
  %l = flow.lm_head %x, %w$ : tensor<?x9xf32>, tensor<50x9xf32> -> tensor<?x50xf32>
  %v, %i = flow.top_k %l : tensor<?x50xf32> -> tensor<?x7xf32>
  %a, %b = flow.lm_head_top_k %x, %w$ : tensor<?x9xf32>, tensor<50x9xf32> -> tensor<?x7xf32>
  return %v, %i, %a, %b : tensor<?x7xf32>, tensor<?x7xi32>, tensor<?x7xf32>, tensor<?x7xi32>
})";
    for (size_t at; (at = text.find('$')) != std::string::npos;)
      text.replace(at, 1, cap);
    std::vector<InterpretedValue> results = TestModule(text).call(
        {share(randomTensor({4, 9}, 41)), share(randomTensor({50, 9}, 42))});
    ASSERT_EQ(results.size(), 4u);
    EXPECT_EQ(std::get<TensorRef>(results[2])->values,
              std::get<TensorRef>(results[0])->values);
    EXPECT_EQ(std::get<TokenTensorRef>(results[3])->values,
              std::get<TokenTensorRef>(results[1])->values);
    if (*cap)
      EXPECT_LE(std::get<TensorRef>(results[0])->values[0], 0.2f);
  }
}

} // namespace
