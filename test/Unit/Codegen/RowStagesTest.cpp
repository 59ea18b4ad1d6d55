// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Norms, residual norms, rotation and GEGLU as code, against the interpreter.

#include "StageTest.h"

using namespace flow;

namespace {

using RowStages = StageTest;
INSTANTIATE_TEST_SUITE_P(Cpus, RowStages, testing::ValuesIn(kFloatTargets),
                         targetName);

/// A random tensor with one large element at the end of each row: an error in
/// it is far above what all roundings of a row may add up to.
Tensor spikedRows(llvm::ArrayRef<int64_t> shape, uint32_t seed) {
  Tensor tensor = randomTensor(shape, seed);
  for (size_t i = 0; i < tensor.values.size(); i += tensor.rowLength())
    tensor.values[i + tensor.rowLength() - 1] = 8;
  return tensor;
}

/// `tensor` without the last element of each row.
Tensor withoutLast(Tensor tensor) {
  for (size_t i = 0; i < tensor.values.size(); i += tensor.rowLength())
    tensor.values[i + tensor.rowLength() - 1] = 0;
  return tensor;
}

// T10, T29
TEST_P(RowStages, RmsNorm) {
  // Three steps of 32 lanes, ten of 64.
  for (int64_t d : {96, 640})
    for (const StepForm &form : kForms) {
      CompiledFunction function(
          substitute(R"(
func.func @f(%x: tensor<$Tx$Dxf32>, %w: tensor<$Dxf32>) -> (tensor<$Tx$Dxf32>, tensor<$Tx$Dxf32>) {
  %y = flow.rms_norm %x scale %w : tensor<$Tx$Dxf32>, tensor<$Dxf32>
  %z = flow.rms_norm %x eps 1.0e-02 : tensor<$Tx$Dxf32>
  return %y, %z : tensor<$Tx$Dxf32>, tensor<$Tx$Dxf32>
})",
                     {{"$T", form.extent}, {"$D", std::to_string(d)}}),
          GetParam());
      CodeArgument weight = plainArgument(randomTensor({d}, 7));
      for (StepRows rows : form.steps) {
        SCOPED_TRACE(testing::Message() << rows.count << " rows of " << d);
        Tensor x = withPadding(spikedRows({rows.padded, d}, 8), rows.count);
        CallResults r = function.call({plainArgument(x), weight});
        std::vector<Tensor> control =
            function.interpret({plainArgument(withoutLast(x)), weight});
        ASSERT_EQ(r.computed.size(), 2u);
        for (int i : {0, 1}) {
          auto bound = [&](size_t at) {
            return normError(d) * std::abs(r.expected[i].values[at]);
          };
          EXPECT_LE(worstRatio(r.computed[i], r.expected[i], rows.count, bound),
                    1);
          EXPECT_GT(worstRatio(control[i], r.expected[i], rows.count, bound),
                    1);
        }
      }
    }
}

// T10
TEST_P(RowStages, RmsNormOfHeads) {
  constexpr int64_t d = 256;
  for (const StepForm &form : kForms) {
    CompiledFunction function(
        substitute(R"(
func.func @f(%x: tensor<$Tx3x$Dxf32>, %w: tensor<$Dxf32>) -> (tensor<$Tx3x$Dxf32>, tensor<$Tx3x$Dxf32>) {
  %y = flow.rms_norm %x scale %w : tensor<$Tx3x$Dxf32>, tensor<$Dxf32>
  %z = flow.rms_norm %x eps 1.0e-02 : tensor<$Tx3x$Dxf32>
  return %y, %z : tensor<$Tx3x$Dxf32>, tensor<$Tx3x$Dxf32>
})",
                   {{"$T", form.extent}, {"$D", std::to_string(d)}}),
        GetParam());
    CodeArgument weight = plainArgument(randomTensor({d}, 9));
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows of " << d);
      CallResults r =
          function.call({plainArgument(withPadding(
                             spikedRows({rows.padded, 3, d}, 10), rows.count)),
                         weight});
      ASSERT_EQ(r.computed.size(), 2u);
      for (int i : {0, 1})
        EXPECT_LE(worstRatio(r.computed[i], r.expected[i], rows.count,
                             [&](size_t at) {
                               return normError(d) *
                                      std::abs(r.expected[i].values[at]);
                             }),
                  1);
    }
  }
}

TEST_P(RowStages, AddRmsNorm) {
  constexpr int64_t d = 96;
  for (const StepForm &form : kForms) {
    CompiledFunction function(
        substitute(R"(
func.func @f(%x: tensor<$Tx$Dxf32>, %b: tensor<$Tx$Dxf32>, %w: tensor<$Dxf32>) -> (tensor<$Tx$Dxf32>, tensor<$Tx$Dxf32>) {
  %s, %n = flow.add_rms_norm %x, %b scale %w : tensor<$Tx$Dxf32>, tensor<$Dxf32>
  return %s, %n : tensor<$Tx$Dxf32>, tensor<$Tx$Dxf32>
})",
                   {{"$T", form.extent}, {"$D", std::to_string(d)}}),
        GetParam());
    Tensor weight = randomTensor({d}, 11);
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows of " << d);
      auto argument = [&](Tensor tensor) {
        return plainArgument(withPadding(std::move(tensor), rows.count));
      };
      CallResults r =
          function.call({argument(spikedRows({rows.padded, d}, 12)),
                         argument(randomTensor({rows.padded, d}, 13)),
                         plainArgument(weight)});
      ASSERT_EQ(r.computed.size(), 2u);
      // One addition, rounded once.
      EXPECT_TRUE(sameValues(r.computed[0], r.expected[0], rows.count));
      std::vector<double> bounds =
          rmsNorm(Inexact(r.expected[0]), d, &weight, 1e-6).errors;
      EXPECT_LE(worstRatio(r.computed[1], r.expected[1], rows.count, bounds),
                1);
    }
  }
}

// T23
TEST_P(RowStages, AddRmsNormOfANormedBranch) {
  constexpr int64_t d = 640;
  for (const StepForm &form : kForms) {
    CompiledFunction function(
        substitute(R"(
func.func @f(%x: tensor<$Tx$Dxf32>, %b: tensor<$Tx$Dxf32>, %wb: tensor<$Dxf32>, %w: tensor<$Dxf32>) -> (tensor<$Tx$Dxf32>, tensor<$Tx$Dxf32>) {
  %s, %n = flow.add_rms_norm %x, %b branch_scale %wb scale %w eps 1.0e-05 : tensor<$Tx$Dxf32>, tensor<$Dxf32>
  return %s, %n : tensor<$Tx$Dxf32>, tensor<$Tx$Dxf32>
})",
                   {{"$T", form.extent}, {"$D", std::to_string(d)}}),
        GetParam());
    Tensor weight = randomTensor({d}, 14);
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows of " << d);
      Tensor stream = randomTensor({rows.padded, d}, 15);
      Tensor branch = spikedRows({rows.padded, d}, 16);
      auto argument = [&](const Tensor &tensor) {
        return plainArgument(withPadding(tensor, rows.count));
      };
      CallResults r = function.call({argument(stream), argument(branch),
                                     plainArgument(randomTensor({d}, 17)),
                                     plainArgument(weight)});
      ASSERT_EQ(r.computed.size(), 2u);
      // The branch errs as a norm does; both sums are rounded once.
      Inexact sum(r.expected[0]);
      for (size_t i = 0; i != sum.values.size(); ++i) {
        double s = sum.values[i], y = s - stream.values[i];
        sum.errors[i] = normError(d) * (std::abs(y) + kF32 * std::abs(s)) +
                        2 * kF32 * std::abs(s);
      }
      EXPECT_LE(
          worstRatio(r.computed[0], r.expected[0], rows.count, sum.errors), 1);
      std::vector<double> bounds = rmsNorm(sum, d, &weight, 1e-5).errors;
      EXPECT_LE(worstRatio(r.computed[1], r.expected[1], rows.count, bounds),
                1);
    }
  }
}

TEST_P(RowStages, Add) {
  for (const StepForm &form : kForms) {
    CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx96xf32>, %y: tensor<$Tx96xf32>) -> tensor<$Tx96xf32> {
  %z = arith.addf %x, %y : tensor<$Tx96xf32>
  return %z : tensor<$Tx96xf32>
})",
                                         {{"$T", form.extent}}),
                              GetParam());
    for (StepRows rows : form.steps) {
      auto argument = [&](uint32_t seed) {
        return plainArgument(
            withPadding(randomTensor({rows.padded, 96}, seed), rows.count));
      };
      CallResults r = function.call({argument(22), argument(23)});
      ASSERT_EQ(r.computed.size(), 1u);
      EXPECT_TRUE(sameValues(r.computed[0], r.expected[0], rows.count));
    }
  }
}

TEST_P(RowStages, Scale) {
  for (const StepForm &form : kForms) {
    CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx96xf32>, %c: tensor<1xf32>) -> tensor<$Tx96xf32> {
  %y = flow.scale %x by %c : tensor<$Tx96xf32>, tensor<1xf32>
  return %y : tensor<$Tx96xf32>
})",
                                         {{"$T", form.extent}}),
                              GetParam());
    Tensor factor({1});
    factor.values[0] = -0.3f;
    for (StepRows rows : form.steps) {
      Tensor x = withPadding(randomTensor({rows.padded, 96}, 18), rows.count);
      CallResults r = function.call({plainArgument(x), plainArgument(factor)});
      ASSERT_EQ(r.computed.size(), 1u);
      // One product, rounded once.
      EXPECT_TRUE(sameValues(r.computed[0], r.expected[0], rows.count));
    }
  }
}

TEST_P(RowStages, AddRmsNormOfAScaledSum) {
  constexpr int64_t d = 96;
  for (const StepForm &form : kForms) {
    CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx96xf32>, %b: tensor<$Tx96xf32>, %c: tensor<1xf32>, %w: tensor<96xf32>) -> (tensor<$Tx96xf32>, tensor<$Tx96xf32>) {
  %s, %n = flow.add_rms_norm %x, %b sum_scale %c scale %w : tensor<$Tx96xf32>, tensor<96xf32>
  return %s, %n : tensor<$Tx96xf32>, tensor<$Tx96xf32>
})",
                                         {{"$T", form.extent}}),
                              GetParam());
    Tensor weight = randomTensor({d}, 19), factor({1});
    factor.values[0] = 0.3f;
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows of " << d);
      auto argument = [&](Tensor tensor) {
        return plainArgument(withPadding(std::move(tensor), rows.count));
      };
      CallResults r =
          function.call({argument(randomTensor({rows.padded, d}, 20)),
                         argument(randomTensor({rows.padded, d}, 21)),
                         plainArgument(factor), plainArgument(weight)});
      ASSERT_EQ(r.computed.size(), 2u);
      // An addition and a product, each rounded once.
      EXPECT_TRUE(sameValues(r.computed[0], r.expected[0], rows.count));
      std::vector<double> bounds =
          rmsNorm(Inexact(r.expected[0]), d, &weight, 1e-6).errors;
      EXPECT_LE(worstRatio(r.computed[1], r.expected[1], rows.count, bounds),
                1);
    }
  }
}

// T11
TEST_P(RowStages, Rope) {
  for (int64_t d : {64, 256})
    for (const StepForm &form : kForms) {
      CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx3x$Dxf32>, %a: tensor<$Tx$Hx2xf32>) -> tensor<$Tx3x$Dxf32> {
  %y = flow.rope %x, %a : tensor<$Tx3x$Dxf32>, tensor<$Tx$Hx2xf32>
  return %y : tensor<$Tx3x$Dxf32>
})",
                                           {{"$T", form.extent},
                                            {"$D", std::to_string(d)},
                                            {"$H", std::to_string(d / 2)}}),
                                GetParam());
      for (StepRows rows : form.steps) {
        SCOPED_TRACE(testing::Message() << rows.count << " rows of " << d);
        // Every angle its own; numbers of [-1, 1) do as well as cosines.
        Tensor x = randomTensor({rows.padded, 3, d}, 18);
        CallResults r = function.call(
            {plainArgument(withPadding(x, rows.count)),
             plainArgument(withPadding(
                 randomTensor({rows.padded, d / 2, 2}, 19), rows.count))});
        ASSERT_EQ(r.computed.size(), 1u);
        // 3 u by the contract, and the interpreter's rounding.
        auto bound = [&](size_t at) {
          size_t pair = at % d < size_t(d / 2) ? at + d / 2 : at - d / 2;
          return 4 * kF32 * (std::abs(x.values[at]) + std::abs(x.values[pair]));
        };
        EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count, bound),
                  1);
      }
    }
}

// T13
TEST_P(RowStages, Geglu) {
  constexpr int64_t d = 96;
  for (const StepForm &form : kForms) {
    CompiledFunction function(
        substitute(R"(
func.func @f(%g: tensor<$Tx$Dxf32>, %u: tensor<$Tx$Dxf32>) -> tensor<$Tx$Dxf32> {
  %y = flow.geglu %g, %u : tensor<$Tx$Dxf32>
  return %y : tensor<$Tx$Dxf32>
})",
                   {{"$T", form.extent}, {"$D", std::to_string(d)}}),
        GetParam());
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows of " << d);
      // Gates from -8 to 8, where GELU turns from nothing into the gate.
      Tensor gate = randomTensor({rows.padded, d}, 20);
      for (float &value : gate.values)
        value *= 8;
      Tensor up = randomTensor({rows.padded, d}, 21);
      CallResults r =
          function.call({plainArgument(withPadding(gate, rows.count)),
                         plainArgument(withPadding(up, rows.count))});
      ASSERT_EQ(r.computed.size(), 1u);
      // The contract, and the interpreter's rounding.
      auto bound = [&](size_t at) {
        return 0x1p-19 * std::abs(gate.values[at] * up.values[at]) +
               17 * kF32 * std::abs(r.expected[0].values[at]);
      };
      EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count, bound), 1);
    }
  }
}

} // namespace
