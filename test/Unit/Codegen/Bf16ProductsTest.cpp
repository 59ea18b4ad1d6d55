// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of bf16 as code, against the interpreter.

#include "StageTest.h"

using namespace flow;

namespace {

using Bf16Products = StageTest;
INSTANTIATE_TEST_SUITE_P(Targets, Bf16Products, testing::ValuesIn(kBf16Targets),
                         targetName);

/// Rows by a weight of bf16: flow.linear states K (u + 2^-126), and one
/// rounding is the interpreter's.
Inexact bf16Product(const Inexact &rows, const Tensor &weight) {
  Inexact rounded = roundToBf16(Inexact(weight));
  Tensor held(weight.shape);
  std::copy(rounded.values.begin(), rounded.values.end(), held.values.begin());
  Inexact result = linear(rows, held);
  for (double &error : result.errors)
    error += rows.length * 0x1p-126;
  return result;
}

TEST_P(Bf16Products, Linear) {
  // Depths of one pair, of no whole tile, and of three.
  for (auto [n, k] : {std::pair<int64_t, int64_t>{32, 2}, {96, 166}, {64, 96}})
    for (const StepForm &form : kForms) {
      CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx$Kxf32>, %w: tensor<$Nx$Kxf32, #flow.panels<bf16>>) -> tensor<$Tx$Nxf32> {
  %r = flow.quantize_rows %x : tensor<$Tx$Kxf32> -> tensor<$Tx$Kxf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<$Tx$Kxf32, #flow.bf16_rows>, tensor<$Nx$Kxf32, #flow.panels<bf16>> -> tensor<$Tx$Nxf32>
  return %y : tensor<$Tx$Nxf32>
})",
                                           {{"$T", form.extent},
                                            {"$N", std::to_string(n)},
                                            {"$K", std::to_string(k)}}),
                                GetParam());
      Tensor weight = randomTensor({n, k}, 71);
      for (StepRows rows : form.steps) {
        SCOPED_TRACE(testing::Message()
                     << rows.count << " rows by " << n << " of " << k);
        Tensor x = randomTensor({rows.padded, k}, 72);
        std::vector<double> errors =
            bf16Product(roundToBf16(Inexact(x)), weight).errors;
        CallResults r =
            function.call({plainArgument(withPadding(x, rows.count)),
                           bf16PanelsArgument(weight)});
        ASSERT_EQ(r.computed.size(), 1u);
        EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count, errors),
                  1);
      }
    }
}

// With a weight that is 1 in one place, a result is a row's element as rounded.
TEST_P(Bf16Products, RowsAreRoundedToTheNearestAndTiesToEven) {
  CompiledFunction function(R"(
func.func @f(%x: tensor<1x32xf32>, %w: tensor<32x32xf32, #flow.panels<bf16>>) -> tensor<1x32xf32> {
  %r = flow.quantize_rows %x : tensor<1x32xf32> -> tensor<1x32xf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<1x32xf32, #flow.bf16_rows>, tensor<32x32xf32, #flow.panels<bf16>> -> tensor<1x32xf32>
  return %y : tensor<1x32xf32>
})",
                            GetParam());
  Tensor identity({32, 32});
  for (int64_t i = 0; i != 32; ++i)
    identity.values[i * 33] = 1;
  Tensor x = randomTensor({1, 32}, 73);
  const float kGiven[] = {1 + 0x1p-8f,
                          1 + 3 * 0x1p-8f,
                          -(1 + 0x1p-8f),
                          1 + 0x1p-8f + 0x1p-20f,
                          std::nextafter(1 + 0x1p-8f, 0.0f),
                          std::nextafter(2.0f, 0.0f),
                          -0.0f};
  const float kRounded[] = {1, 1 + 0x1p-6f, -1, 1 + 0x1p-7f, 1, 2, 0};
  std::copy(std::begin(kGiven), std::end(kGiven), x.values.begin());
  CallResults r =
      function.call({plainArgument(x), bf16PanelsArgument(identity)});
  ASSERT_EQ(r.computed.size(), 1u);
  EXPECT_TRUE(sameValues(r.computed[0], r.expected[0], 1));
  EXPECT_EQ(std::vector<float>(r.computed[0].values.begin(),
                               r.computed[0].values.begin() + 7),
            std::vector<float>(std::begin(kRounded), std::end(kRounded)));
}

TEST_P(Bf16Products, GatedMlpRoundsTheInnerRows) {
  for (const StepForm &form : kForms) {
    CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx64xf32>, %gu: tensor<192x64xf32, #flow.panels<bf16>>, %d: tensor<64x96xf32, #flow.panels<bf16>>) -> tensor<$Tx64xf32> {
  %r = flow.quantize_rows %x : tensor<$Tx64xf32> -> tensor<$Tx64xf32, #flow.bf16_rows>
  %y = flow.gated_mlp %r, %gu, %d hidden(#flow.bf16_rows) : tensor<$Tx64xf32, #flow.bf16_rows>, tensor<192x64xf32, #flow.panels<bf16>>, tensor<64x96xf32, #flow.panels<bf16>> -> tensor<$Tx64xf32>
  return %y : tensor<$Tx64xf32>
})",
                                         {{"$T", form.extent}}),
                              GetParam());
    Tensor gateUp = randomTensor({192, 64}, 74),
           down = randomTensor({64, 96}, 75);
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows");
      Tensor x = randomTensor({rows.padded, 64}, 76);
      Inexact inner = roundToBf16(
          interleavedGeglu(bf16Product(roundToBf16(Inexact(x)), gateUp)));
      std::vector<double> errors = bf16Product(inner, down).errors;
      CallResults r =
          function.call({plainArgument(withPadding(x, rows.count)),
                         bf16PanelsArgument(gateUp), bf16PanelsArgument(down)});
      ASSERT_EQ(r.computed.size(), 1u);
      EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count, errors),
                1);
    }
  }
}

} // namespace
