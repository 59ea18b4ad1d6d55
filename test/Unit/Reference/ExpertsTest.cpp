// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// T14: the mixture of experts against loops that do what its definition says.

#include "TestModule.h"

#include <gmock/gmock.h>

#include <numeric>

using namespace flow;
using testing::HasSubstr;

namespace {

constexpr int64_t kRows = 5, kExperts = 6, kChosen = 3;

/// Softmax over all experts, the best of it, made to sum to 1 and scaled.
std::vector<std::pair<int64_t, double>>
routeOf(const Tensor &logits, const Tensor &scale, double factor, int64_t row) {
  const float *z = &logits.values[row * kExperts];
  std::vector<double> p(kExperts);
  double total = 0;
  for (int64_t e = 0; e != kExperts; ++e)
    total += p[e] = std::exp(factor * z[e]);
  for (double &value : p)
    value /= total;
  std::vector<int64_t> order(kExperts);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return p[a] > p[b] || (p[a] == p[b] && a < b);
  });
  double kept = 0;
  for (int64_t j = 0; j != kChosen; ++j)
    kept += p[order[j]];
  std::vector<std::pair<int64_t, double>> route;
  for (int64_t j = 0; j != kChosen; ++j)
    route.emplace_back(order[j], p[order[j]] / kept * scale.values[order[j]]);
  return route;
}

const char *const kRoute = R"(
func.func @f(%z: tensor<?x6xf32>, %scale: tensor<6xf32>) -> (tensor<?x3xi32>, tensor<?x3xf32>) {
  %e, %s = flow.route_experts %z scale %scale factor 0.75 : tensor<?x6xf32>, tensor<6xf32> -> tensor<?x3xi32>
  return %e, %s : tensor<?x3xi32>, tensor<?x3xf32>
})";

TEST(Experts, SoftmaxThenTheBestThenTheSumThenTheScale) {
  Tensor logits = randomTensor({kRows, kExperts}, 1);
  Tensor scale = randomTensor({kExperts}, 2);
  std::vector<InterpretedValue> results =
      TestModule(kRoute).call({share(logits), share(scale)});
  ASSERT_EQ(results.size(), 2u);
  const auto &experts = std::get<TokenTensorRef>(results[0]);
  const auto &shares = std::get<TensorRef>(results[1]);
  for (int64_t t = 0; t != kRows; ++t) {
    auto route = routeOf(logits, scale, 0.75, t);
    for (int64_t j = 0; j != kChosen; ++j) {
      EXPECT_EQ(experts->values[t * kChosen + j], route[j].first);
      // Both are f64 but for the f32 of factor * z, and one rounding.
      double bound = (2 * 0.75 * 4 + 2) * kF32 * std::abs(route[j].second);
      EXPECT_NEAR(shares->values[t * kChosen + j], route[j].second, bound);
    }
  }
}

TEST(Experts, OfEqualLogitsTheFirst) {
  std::vector<InterpretedValue> results =
      TestModule(kRoute).call({share(Tensor({1, 6}, {0, 2, 1, 2, 1, 1})),
                               share(Tensor({6}, {1, 1, 1, 1, 1, 1}))});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_THAT(std::get<TokenTensorRef>(results[0])->values,
              testing::ElementsAre(1, 3, 2));
}

TEST(Experts, SumOfTheMlpsOfThoseThatWereChosen) {
  constexpr int64_t kDepth = 7, kInner = 5, kWidth = 4;
  Tensor x = randomTensor({kRows, kDepth}, 3);
  Tensor gate = randomTensor({kExperts * kInner, kDepth}, 4);
  Tensor up = randomTensor({kExperts * kInner, kDepth}, 5);
  Tensor down = randomTensor({kExperts * kWidth, kInner}, 6);
  Tensor shares = randomTensor({kRows, 2}, 7);
  std::vector<int32_t> experts{5, 0, 1, 1, 2, 4, 0, 5, 3, 2};
  std::vector<Tensor> y =
      TestModule(R"(
func.func @f(%x: tensor<?x7xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<30x7xf32>, %u: tensor<30x7xf32>, %d: tensor<24x5xf32>) -> tensor<?x4xf32> {
  %y = flow.moe %x to %e by %s, %g, %u, %d : tensor<?x7xf32>, tensor<?x2xi32>, tensor<30x7xf32>, tensor<24x5xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
})")
          .tensors({share(x),
                    std::make_shared<const TokenTensor>(
                        TokenTensor({kRows, 2}, experts)),
                    share(shares), share(gate), share(up), share(down)});
  ASSERT_EQ(y.size(), 1u);
  for (int64_t t = 0; t != kRows; ++t)
    for (int64_t i = 0; i != kWidth; ++i) {
      double expected = 0, size = 0;
      for (int64_t j = 0; j != 2; ++j) {
        int64_t e = experts[t * 2 + j];
        for (int64_t f = 0; f != kInner; ++f) {
          double g = 0, u = 0;
          for (int64_t c = 0; c != kDepth; ++c) {
            int64_t at = (e * kInner + f) * kDepth + c;
            g += double(x.values[t * kDepth + c]) * gate.values[at];
            u += double(x.values[t * kDepth + c]) * up.values[at];
          }
          double gelu =
              g / 2 *
              (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g)));
          double term = shares.values[t * 2 + j] * gelu * u *
                        down.values[(e * kWidth + i) * kInner + f];
          expected += term;
          size += std::abs(term) + std::abs(gelu) + std::abs(u);
        }
      }
      // Gates, ups, activations, results and the sum are each rounded once.
      EXPECT_NEAR(y[0].values[t * kWidth + i], expected, 8 * kF32 * size);
    }
}

TEST(Experts, FusedStagesAreTheirParts) {
  Tensor x = randomTensor({kRows, 8}, 11), router = randomTensor({6, 8}, 12);
  Tensor scale = randomTensor({6}, 13);
  Tensor gate = randomTensor({6 * 16, 8}, 14),
         up = randomTensor({6 * 16, 8}, 15);
  Tensor down = randomTensor({6 * 8, 16}, 16);
  // 16 rows of each in turn.
  Tensor gateUp({2 * 6 * 16, 8});
  for (int64_t row = 0; row != 2 * 6 * 16; ++row) {
    const Tensor &from = row / 16 % 2 ? up : gate;
    std::copy_n(from.values.begin() + (row / 32 * 16 + row % 16) * 8, 8,
                gateUp.values.begin() + row * 8);
  }
  std::vector<Tensor> parts =
      TestModule(R"(
func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>, %scale: tensor<6xf32>, %g: tensor<96x8xf32>, %u: tensor<96x8xf32>, %d: tensor<48x16xf32>) -> tensor<?x8xf32> {
  %z = flow.linear %x, %w : tensor<?x8xf32>, tensor<6x8xf32> -> tensor<?x6xf32>
  %e, %s = flow.route_experts %z scale %scale factor 0.5 : tensor<?x6xf32>, tensor<6xf32> -> tensor<?x3xi32>
  %y = flow.moe %x to %e by %s, %g, %u, %d : tensor<?x8xf32>, tensor<?x3xi32>, tensor<96x8xf32>, tensor<48x16xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
})")
          .tensors({share(x), share(router), share(scale), share(gate),
                    share(up), share(down)});
  std::vector<Tensor> fused =
      TestModule(R"(
func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>, %scale: tensor<6xf32>, %gu: tensor<192x8xf32>, %d: tensor<48x16xf32>) -> tensor<?x8xf32> {
  %e, %s = flow.router %x, %w scale %scale factor 0.5 : tensor<?x8xf32>, tensor<6x8xf32>, tensor<6xf32> -> tensor<?x3xi32>
  %y = flow.grouped_mlp %x to %e by %s, %gu, %d : tensor<?x8xf32>, tensor<?x3xi32>, tensor<192x8xf32>, tensor<48x16xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
})")
          .tensors({share(x), share(router), share(scale), share(gateUp),
                    share(down)});
  ASSERT_EQ(parts.size(), 1u);
  ASSERT_EQ(fused.size(), 1u);
  EXPECT_EQ(parts[0].values, fused[0].values);
}

} // namespace
