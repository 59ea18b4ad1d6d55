// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products with f32 weights as code, against the interpreter.

#include "StageTest.h"

using namespace flow;

namespace {

using Products = StageTest;
INSTANTIATE_TEST_SUITE_P(Cpus, Products, testing::ValuesIn(kFloatTargets),
                         targetName);

/// Rows and columns of a weight: 1 panel or 3.
struct WeightShape {
  int64_t rows, cols;
};

TEST_P(Products, Linear) {
  for (WeightShape shape : {WeightShape{32, 32}, WeightShape{96, 165}})
    for (const StepForm &form : kForms) {
      int64_t n = shape.rows, k = shape.cols;
      CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx$Kxf32>, %w: tensor<$Nx$Kxf32, #flow.panels<f32>>) -> tensor<$Tx$Nxf32> {
  %y = flow.linear %x, %w : tensor<$Tx$Kxf32>, tensor<$Nx$Kxf32, #flow.panels<f32>> -> tensor<$Tx$Nxf32>
  return %y : tensor<$Tx$Nxf32>
})",
                                           {{"$T", form.extent},
                                            {"$N", std::to_string(n)},
                                            {"$K", std::to_string(k)}}),
                                GetParam());
      Tensor weight = randomTensor({n, k}, 31);
      for (StepRows rows : form.steps) {
        SCOPED_TRACE(testing::Message()
                     << rows.count << " rows by " << n << " of " << k);
        Tensor x = randomTensor({rows.padded, k}, 32);
        std::vector<double> errors = linear(Inexact(x), weight).errors;
        x = withPadding(x, rows.count);
        CallResults r =
            function.call({plainArgument(x), f32PanelsArgument(weight)});
        ASSERT_EQ(r.computed.size(), 1u);
        EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count, errors),
                  1);
        // What the last element of a row adds is far above that.
        for (size_t i = k - 1; i < x.values.size(); i += k)
          x.values[i] = 0;
        std::vector<Tensor> control =
            function.interpret({plainArgument(x), f32PanelsArgument(weight)});
        EXPECT_GT(worstRatio(control[0], r.expected[0], rows.count, errors), 1);
      }
    }
}

// A row's chain of additions is the same in prefill and decode.
TEST_P(Products, ARowDoesNotDependOnItsStep) {
  auto compile = [&](const char *extent, const char *phase = "prefill") {
    return std::make_unique<CompiledFunction>(substitute(R"(
func.func @f(%x: tensor<$Tx165xf32>, %w: tensor<32x165xf32, #flow.panels<f32>>) -> tensor<$Tx32xf32> {
  %y = flow.linear %x, %w : tensor<$Tx165xf32>, tensor<32x165xf32, #flow.panels<f32>> -> tensor<$Tx32xf32>
  return %y : tensor<$Tx32xf32>
})",
                                                         {{"$T", extent}}),
                                              GetParam(), phase);
  };
  std::unique_ptr<CompiledFunction> step = compile("?"), row = compile("1"),
                                    rows = compile("?", "batch_decode");
  CodeArgument weight = f32PanelsArgument(randomTensor({32, 165}, 35));
  Tensor x = randomTensor({24, 165}, 36);
  llvm::SmallVector<int64_t, 4> shape{24, 32};
  std::vector<Tensor> together = step->run({plainArgument(x), weight}, shape);
  ASSERT_EQ(together.size(), 1u);
  shape[0] = 1;
  for (int64_t t = 0; t != 24; ++t) {
    auto from = x.values.begin() + t * 165;
    Tensor one(llvm::ArrayRef<int64_t>{1, 165}, {from, from + 165});
    std::vector<Tensor> alone = row->run({plainArgument(one), weight}, shape);
    ASSERT_EQ(alone.size(), 1u);
    EXPECT_TRUE(std::equal(alone[0].values.begin(), alone[0].values.end(),
                           together[0].values.begin() + t * 32))
        << "row " << t;
  }
  for (int64_t count = 1; count != 10; ++count) {
    shape[0] = count;
    std::vector<Tensor> few =
        rows->run({firstRows(plainArgument(x), count), weight}, shape);
    ASSERT_EQ(few.size(), 1u);
    EXPECT_TRUE(std::equal(few[0].values.begin(), few[0].values.end(),
                           together[0].values.begin()))
        << count << " rows";
  }
}

// T15: Rows of 96 logits are capped 32 at a time, rows of 512 in two pieces.
TEST_P(Products, LmHead) {
  for (WeightShape shape : {WeightShape{96, 64}, WeightShape{512, 32}})
    for (const StepForm &form : kForms) {
      int64_t n = shape.rows, k = shape.cols;
      CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx$Kxf32>, %w: tensor<$Nx$Kxf32, #flow.panels<f32>>) -> (tensor<$Tx$Nxf32>, tensor<$Tx$Nxf32>) {
  %y = flow.lm_head %x, %w : tensor<$Tx$Kxf32>, tensor<$Nx$Kxf32, #flow.panels<f32>> -> tensor<$Tx$Nxf32>
  %z = flow.lm_head %x, %w softcap 2.0e+00 : tensor<$Tx$Kxf32>, tensor<$Nx$Kxf32, #flow.panels<f32>> -> tensor<$Tx$Nxf32>
  return %y, %z : tensor<$Tx$Nxf32>, tensor<$Tx$Nxf32>
})",
                                           {{"$T", form.extent},
                                            {"$N", std::to_string(n)},
                                            {"$K", std::to_string(k)}}),
                                GetParam());
      Tensor weight = randomTensor({n, k}, 33);
      for (StepRows rows : form.steps) {
        SCOPED_TRACE(testing::Message()
                     << rows.count << " rows by " << n << " of " << k);
        Tensor x = randomTensor({rows.padded, k}, 34);
        std::vector<double> errors = linear(Inexact(x), weight).errors;
        CallResults r =
            function.call({plainArgument(withPadding(x, rows.count)),
                           f32PanelsArgument(weight)});
        ASSERT_EQ(r.computed.size(), 2u);
        EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count, errors),
                  1);
        EXPECT_LE(worstRatio(r.computed[1], r.expected[1], rows.count,
                             [&](size_t at) {
                               return errors[at] +
                                      softcapError(r.expected[1].values[at]);
                             }),
                  1);
      }
    }
}

} // namespace
