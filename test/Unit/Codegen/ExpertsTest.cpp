// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// T14: the choice of experts and their MLPs as code, against the interpreter.

#include "StageTest.h"

#include <numeric>

using namespace flow;

namespace {

class Experts : public StageTest {};
class ExpertsOfBytes : public StageTest {};
INSTANTIATE_TEST_SUITE_P(Cpus, Experts, testing::ValuesIn(kFloatTargets),
                         targetName);
INSTANTIATE_TEST_SUITE_P(Targets, ExpertsOfBytes,
                         testing::ValuesIn(kByteTargets), targetName);

constexpr int64_t kExperts = 5, kDepth = 64, kInner = 16, kWidth = 32;
constexpr double kFactor = 0.125;

/// Logits of `rows` rows that differ by 1 at least, so that rounding chooses no
/// other expert: a permutation of -2 to 2 for each row, or the same one for
/// all.
Tensor logitsOf(int64_t rows, bool areAlike) {
  Tensor logits({rows, kExperts});
  for (int64_t t = 0; t != rows; ++t)
    for (int64_t e = 0; e != kExperts; ++e)
      logits.values[t * kExperts + e] =
          static_cast<float>((areAlike ? e : e * 2 + t * 3) % kExperts - 2) /
          kFactor;
  return logits;
}

/// The `chosen` largest of a row, the largest first.
std::vector<int64_t> bestOf(const Tensor &logits, int64_t row, int64_t chosen) {
  std::vector<int64_t> order(kExperts);
  std::iota(order.begin(), order.end(), 0);
  const float *z = &logits.values[row * kExperts];
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return z[a] > z[b]; });
  order.resize(chosen);
  return order;
}

/// Shares of the row and what each may err by, as flow.route_experts states,
/// and a rounding of the interpreter.
Inexact sharesOf(const Tensor &logits, const Tensor &scale, int64_t row,
                 const std::vector<int64_t> &chosen) {
  Inexact shares(static_cast<int64_t>(chosen.size()));
  double total = 0, largest = 0;
  for (int64_t e : chosen) {
    double z = kFactor * logits.values[row * kExperts + e];
    total += std::exp(z);
    largest = std::max(largest, std::abs(z));
  }
  double bound = (2 * largest + chosen.size() + 5) * kF32 + 2 * kExpError;
  for (int64_t e : chosen) {
    double share = std::exp(kFactor * logits.values[row * kExperts + e]) /
                   total * scale.values[e];
    shares.values.push_back(share);
    shares.errors.push_back(std::abs(share) * bound);
  }
  return shares;
}

Tensor rowsOf(const Tensor &tensor, int64_t first, int64_t count) {
  int64_t length = tensor.rowLength();
  auto begin = tensor.values.begin() + first * length;
  return Tensor({count, length},
                std::vector<float>(begin, begin + count * length));
}

/// What the sum over experts may err by. `mlp` gives an expert's results for
/// one row. The sum is a chain of k fused multiply-adds, and the interpreter
/// rounds once.
std::vector<double>
errorsOf(const Tensor &logits, const Tensor &scale, int64_t rows,
         int64_t chosen,
         llvm::function_ref<Inexact(int64_t row, int64_t expert)> mlp) {
  std::vector<double> errors;
  for (int64_t t = 0; t != rows; ++t) {
    std::vector<int64_t> best = bestOf(logits, t, chosen);
    Inexact shares = sharesOf(logits, scale, t, best);
    std::vector<double> row(kWidth);
    for (int64_t j = 0; j != chosen; ++j) {
      Inexact y = mlp(t, best[j]);
      double share = std::abs(shares.values[j]);
      for (int64_t i = 0; i != kWidth; ++i)
        row[i] += (share + shares.errors[j]) * y.errors[i] +
                  shares.errors[j] * std::abs(y.values[i]) +
                  (chosen + 1) * kF32 * share * std::abs(y.values[i]);
    }
    // 1 + 2^-10 covers products of errors.
    for (double error : row)
      errors.push_back(0x1.004p0 * error);
  }
  return errors;
}

TEST_P(Experts, SharesOfTheBest) {
  for (const StepForm &form : kForms)
    for (int64_t chosen : {1, 2, 3, 5}) {
      CompiledFunction function(
          substitute(R"(
func.func @f(%z: tensor<$Tx5xf32>, %scale: tensor<5xf32>) -> tensor<$Tx$Kxf32> {
  %e, %s = flow.route_experts %z scale %scale factor 1.25e-01 : tensor<$Tx5xf32>, tensor<5xf32> -> tensor<$Tx$Kxi32>
  return %s : tensor<$Tx$Kxf32>
})",
                     {{"$T", form.extent}, {"$K", std::to_string(chosen)}}),
          GetParam());
      Tensor scale = randomTensor({kExperts}, 71);
      for (StepRows rows : form.steps) {
        SCOPED_TRACE(testing::Message()
                     << rows.count << " rows, " << chosen << " experts");
        Tensor logits = logitsOf(rows.padded, false);
        std::vector<double> errors;
        for (int64_t t = 0; t != rows.padded; ++t) {
          Inexact row = sharesOf(logits, scale, t, bestOf(logits, t, chosen));
          errors.insert(errors.end(), row.errors.begin(), row.errors.end());
        }
        CallResults r =
            function.call({plainArgument(logits), plainArgument(scale)});
        ASSERT_EQ(r.computed.size(), 1u);
        EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.padded, errors),
                  1);
      }
    }
}

TEST_P(Experts, OfEqualLogitsTheFirst) {
  CompiledFunction function(R"(
func.func @f(%z: tensor<1x5xf32>, %scale: tensor<5xf32>) -> tensor<1x2xf32> {
  %e, %s = flow.route_experts %z scale %scale factor 1.0 : tensor<1x5xf32>, tensor<5xf32> -> tensor<1x2xi32>
  return %s : tensor<1x2xf32>
})",
                            GetParam());
  // The scale of an expert says who it is.
  Tensor scale({5}, {10, 20, 40, 80, 160});
  for (auto [z, first, second] :
       {std::tuple<std::vector<float>, float, float>{{0, 1, 1, 1, 0}, 20, 40},
        {{1, 0, 0, 0, 1}, 10, 160},
        {{0, 0, 0, 0, 0}, 10, 20}}) {
    CallResults r =
        function.call({plainArgument(Tensor({1, 5}, z)), plainArgument(scale)});
    ASSERT_EQ(r.computed.size(), 1u);
    for (const Tensor &shares : {r.computed[0], r.expected[0]}) {
      EXPECT_FLOAT_EQ(shares.values[0], first / 2);
      EXPECT_FLOAT_EQ(shares.values[1], second / 2);
    }
  }
}

TEST_P(Experts, ChooseAPlaceInTheRowWhateverTheLogits) {
  // Rows of NaN and infinities must not lead out of the weights.
  CompiledFunction function(R"(
func.func @f(%z: tensor<1x5xf32>, %scale: tensor<5xf32>, %x: tensor<1x64xf32>, %gu: tensor<160x64xf32, #flow.panels<f32>>, %d: tensor<160x16xf32, #flow.panels<f32>>) -> tensor<1x32xf32> {
  %e, %s = flow.route_experts %z scale %scale factor 1.0 : tensor<1x5xf32>, tensor<5xf32> -> tensor<1x2xi32>
  %y = flow.grouped_mlp %x to %e by %s, %gu, %d : tensor<1x64xf32>, tensor<1x2xi32>, tensor<160x64xf32, #flow.panels<f32>>, tensor<160x16xf32, #flow.panels<f32>> -> tensor<1x32xf32>
  return %y : tensor<1x32xf32>
})",
                            GetParam());
  float nan = std::numeric_limits<float>::quiet_NaN();
  float infinity = std::numeric_limits<float>::infinity();
  Tensor scale({5}, {1, 1, 1, 1, 1});
  for (float z : {nan, infinity, -infinity})
    EXPECT_EQ(function
                  .run({plainArgument(Tensor({1, 5}, {z, z, z, z, z})),
                        plainArgument(scale),
                        plainArgument(randomTensor({1, kDepth}, 72)),
                        f32PanelsArgument(randomTensor({160, kDepth}, 73)),
                        f32PanelsArgument(randomTensor({160, kInner}, 74))},
                       {{1, kWidth}})
                  .size(),
              1u);
}

TEST_P(Experts, MlpsOfThoseThatWereChosen) {
  for (const StepForm &form : kForms)
    for (int64_t chosen : {1, 3}) {
      CompiledFunction function(
          substitute(R"(
func.func @f(%z: tensor<$Tx5xf32>, %scale: tensor<5xf32>, %x: tensor<$Tx64xf32>, %gu: tensor<160x64xf32, #flow.panels<f32>>, %d: tensor<160x16xf32, #flow.panels<f32>>) -> tensor<$Tx32xf32> {
  %e, %s = flow.route_experts %z scale %scale factor 1.25e-01 : tensor<$Tx5xf32>, tensor<5xf32> -> tensor<$Tx$Kxi32>
  %y = flow.grouped_mlp %x to %e by %s, %gu, %d : tensor<$Tx64xf32>, tensor<$Tx$Kxi32>, tensor<160x64xf32, #flow.panels<f32>>, tensor<160x16xf32, #flow.panels<f32>> -> tensor<$Tx32xf32>
  return %y : tensor<$Tx32xf32>
})",
                     {{"$T", form.extent}, {"$K", std::to_string(chosen)}}),
          GetParam());
      Tensor scale = randomTensor({kExperts}, 75);
      Tensor gateUp = randomTensor({kExperts * 2 * kInner, kDepth}, 76);
      Tensor down = randomTensor({kExperts * kWidth, kInner}, 77);
      // All rows with one expert make a group of several tiles.
      for (bool areAlike : {false, true})
        for (StepRows rows : form.steps) {
          SCOPED_TRACE(testing::Message()
                       << rows.count << " rows, " << chosen << " experts"
                       << (areAlike ? ", all the same" : ""));
          Tensor logits = logitsOf(rows.padded, areAlike);
          Tensor x = randomTensor({rows.padded, kDepth}, 78);
          auto mlp = [&](int64_t row, int64_t e) {
            return linear(interleavedGeglu(linear(
                              Inexact(rowsOf(x, row, 1)),
                              rowsOf(gateUp, e * 2 * kInner, 2 * kInner))),
                          rowsOf(down, e * kWidth, kWidth));
          };
          std::vector<double> errors =
              errorsOf(logits, scale, rows.count, chosen, mlp);
          CallResults r = function.call(
              {plainArgument(logits), plainArgument(scale),
               plainArgument(withPadding(x, rows.count)),
               f32PanelsArgument(gateUp), f32PanelsArgument(down)});
          ASSERT_EQ(r.computed.size(), 1u);
          EXPECT_LE(
              worstRatio(r.computed[0], r.expected[0], rows.count, errors), 1);
        }
    }
}

TEST_P(ExpertsOfBytes, MlpsOfThoseThatWereChosen) {
  for (const StepForm &form : kForms) {
    CompiledFunction function(
        substitute(
            R"(
func.func @f(%z: tensor<$Tx5xf32>, %scale: tensor<5xf32>, %x: $X, %gu: $G, %d: tensor<160x16xf32, #flow.panels<f32>>) -> tensor<$Tx32xf32> {
  %e, %s = flow.route_experts %z scale %scale factor 1.25e-01 : tensor<$Tx5xf32>, tensor<5xf32> -> tensor<$Tx2xi32>
  %y = flow.grouped_mlp %x to %e by %s, %gu, %d : $X, tensor<$Tx2xi32>, $G, tensor<160x16xf32, #flow.panels<f32>> -> tensor<$Tx32xf32>
  return %y : tensor<$Tx32xf32>
})",
            {{"$X", "tensor<$Tx64xf32, #flow.quantized_rows<block = 32>>"},
             {"$G", "tensor<160x64xf32, #flow.panels<i8, block = 32, "
                    "scale = f32, min = true>>"},
             {"$T", form.extent}}),
        GetParam());
    Tensor scale = randomTensor({kExperts}, 79);
    ByteWeight gateUp(kExperts * 2 * kInner, kDepth, 32, /*hasMinima=*/true,
                      80);
    Tensor values = gateUp.values(), magnitudes = gateUp.magnitudes();
    Tensor down = randomTensor({kExperts * kWidth, kInner}, 81);
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows");
      Tensor logits = logitsOf(rows.padded, false);
      ByteRows x(rows.padded, kDepth, 32, 82);
      // GELU is no more than a switch where its argument is in the thousands.
      for (float &rowScale : x.scales)
        rowScale = std::ldexp(rowScale, -12);
      Tensor xs = x.values();
      auto mlp = [&](int64_t row, int64_t e) {
        // Two blocks with minima, the product of their scales, the interpreter.
        Inexact both =
            linear(Inexact(rowsOf(xs, row, 1)),
                   rowsOf(values, e * 2 * kInner, 2 * kInner),
                   rowsOf(magnitudes, e * 2 * kInner, 2 * kInner), 4 + 2);
        return linear(interleavedGeglu(both), rowsOf(down, e * kWidth, kWidth));
      };
      std::vector<double> errors = errorsOf(logits, scale, rows.padded, 2, mlp);
      CallResults r = function.call(
          {plainArgument(logits), plainArgument(scale), x.argument(),
           gateUp.argument(false), f32PanelsArgument(down)});
      ASSERT_EQ(r.computed.size(), 1u);
      EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.padded, errors),
                1);
    }
  }
}

TEST_P(Experts, SeveralRowsAreEachRowAlone) {
  const char *text = R"(
func.func @f(%z: tensor<$Tx5xf32>, %scale: tensor<5xf32>, %x: tensor<$Tx64xf32>, %gu: tensor<160x64xf32, #flow.panels<f32>>, %d: tensor<160x16xf32, #flow.panels<f32>>) -> tensor<$Tx32xf32> {
  %e, %s = flow.route_experts %z scale %scale factor 1.25e-01 : tensor<$Tx5xf32>, tensor<5xf32> -> tensor<$Tx2xi32>
  %y = flow.grouped_mlp %x to %e by %s, %gu, %d : tensor<$Tx64xf32>, tensor<$Tx2xi32>, tensor<160x64xf32, #flow.panels<f32>>, tensor<160x16xf32, #flow.panels<f32>> -> tensor<$Tx32xf32>
  return %y : tensor<$Tx32xf32>
})";
  CompiledFunction one(substitute(text, {{"$T", "1"}}), GetParam());
  CompiledFunction many(substitute(text, {{"$T", "?"}}), GetParam());
  Tensor logits = logitsOf(24, false), x = randomTensor({24, kDepth}, 83);
  CodeArgument scale = plainArgument(randomTensor({kExperts}, 84));
  CodeArgument gateUp = f32PanelsArgument(randomTensor({160, kDepth}, 85));
  CodeArgument down = f32PanelsArgument(randomTensor({160, kInner}, 86));
  std::vector<Tensor> all =
      many.run({plainArgument(logits), scale, plainArgument(x), gateUp, down},
               {{24, kWidth}});
  ASSERT_EQ(all.size(), 1u);
  for (int64_t t = 0; t != 24; ++t) {
    std::vector<Tensor> alone =
        one.run({plainArgument(rowsOf(logits, t, 1)), scale,
                 plainArgument(rowsOf(x, t, 1)), gateUp, down},
                {{1, kWidth}});
    ASSERT_EQ(alone.size(), 1u);
    EXPECT_EQ(alone[0].values, rowsOf(all[0], t, 1).values) << "row " << t;
  }
}

} // namespace
