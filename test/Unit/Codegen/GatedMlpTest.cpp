// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The gated MLP as code, in f32 and in bytes, against the interpreter.

#include "StageTest.h"

using namespace flow;

namespace {

class GatedMlp : public StageTest {};
class GatedMlpOfBytes : public StageTest {};
INSTANTIATE_TEST_SUITE_P(Cpus, GatedMlp, testing::ValuesIn(kFloatTargets),
                         targetName);
INSTANTIATE_TEST_SUITE_P(Targets, GatedMlpOfBytes,
                         testing::ValuesIn(kByteTargets), targetName);

constexpr int64_t kDepth = 64, kInner = 96, kWidth = 64;

/// `a [T, K]` by `b [N, K]` in f64.
std::vector<double> product(const std::vector<double> &a, const Tensor &b) {
  int64_t depth = b.rowLength();
  std::vector<double> result;
  for (size_t row = 0; row != a.size(); row += depth)
    for (int64_t n = 0; n != b.shape[0]; ++n) {
      double sum = 0;
      for (int64_t k = 0; k != depth; ++k)
        sum += a[row + k] * b.values[n * depth + k];
      result.push_back(sum);
    }
  return result;
}

/// Values with what each may err by.
struct Inexact {
  std::vector<double> values, errors;
};

/// The inner rows `h = gelu(g) * u` of exact products that each err by
/// `productError`: GELU grows at most 1.13 times as fast as its argument, and
/// flow.geglu errs by 2^-19 |g u| + 16 u |h|, rounded once more by the
/// interpreter. 1 + 2^-10 covers products of errors.
Inexact innerRows(llvm::ArrayRef<double> gateUp,
                  llvm::ArrayRef<double> productErrors) {
  Inexact inner;
  for (size_t i = 0; i != gateUp.size() / 2; ++i) {
    size_t at = i / 16 * 32 + i % 16;
    double g = gateUp[at], u = gateUp[at + 16];
    double gelu =
        g /
        (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g)));
    inner.values.push_back(gelu * u);
    inner.errors.push_back(
        0x1.004p0 *
        (1.13 * productErrors[at] * (std::abs(u) + productErrors[at + 16]) +
         std::abs(gelu) * productErrors[at + 16] + 0x1p-19 * std::abs(g * u) +
         17 * kF32 * std::abs(gelu * u)));
  }
  return inner;
}

/// Those rows quantised. An element scaled to the range of quants moves by
/// `127 / m` times its error and by the error of `m`; where that reaches a tie
/// the quant may be the next one. Scales err as their block's `m`, and by an
/// ulp; so does the interpreter's product.
Inexact quantized(const Inexact &rows, size_t block) {
  Inexact result;
  for (size_t first = 0; first != rows.values.size(); first += block) {
    double m = 0, mError = 0;
    for (size_t i = first; i != first + block; ++i) {
      m = std::max(m, std::abs(rows.values[i]));
      mError = std::max(mError, rows.errors[i]);
    }
    for (size_t i = first; i != first + block; ++i) {
      double scaled = rows.values[i] * 127 / m;
      double move =
          (127 * rows.errors[i] + std::abs(scaled) * mError) / (m - mError) +
          4 * kF32 * std::abs(scaled);
      double quant = std::nearbyint(scaled);
      bool tie = 0.5 - std::abs(scaled - quant) <= move;
      result.values.push_back(quant * m / 127);
      result.errors.push_back((tie ? (m + mError) / 127 : 0) +
                              std::abs(quant) *
                                  (mError / 127 + 4 * kF32 * m / 127));
    }
  }
  return result;
}

/// What the result errs by: the inner rows' errors through the second product,
/// and its own `roundings` of its magnitudes.
std::vector<double> resultErrors(const Inexact &inner, const Tensor &down,
                                 double roundings) {
  Tensor magnitudes = down;
  for (float &value : magnitudes.values)
    value = std::abs(value);
  std::vector<double> sizes;
  for (auto [value, error] : llvm::zip_equal(inner.values, inner.errors))
    sizes.push_back(error + roundings * kF32 * (std::abs(value) + error));
  return product(sizes, magnitudes);
}

TEST_P(GatedMlp, F32) {
  for (const StepForm &form : kForms) {
    CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx64xf32>, %gu: tensor<192x64xf32, #flow.panels<f32>>, %d: tensor<64x96xf32, #flow.panels<f32>>) -> tensor<$Tx64xf32> {
  %y = flow.gated_mlp %x, %gu, %d : tensor<$Tx64xf32>, tensor<192x64xf32, #flow.panels<f32>>, tensor<64x96xf32, #flow.panels<f32>> -> tensor<$Tx64xf32>
  return %y : tensor<$Tx64xf32>
})",
                                         {{"$T", form.extent}}),
                              GetParam());
    Tensor gateUp = randomTensor({2 * kInner, kDepth}, 61);
    Tensor down = randomTensor({kWidth, kInner}, 62);
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows");
      Tensor x = randomTensor({rows.padded, kDepth}, 63);
      std::vector<double> errors;
      for (double magnitude : productMagnitudes(x, gateUp))
        errors.push_back((kDepth + 1) * kF32 * magnitude);
      Inexact inner = innerRows(
          product({x.values.begin(), x.values.end()}, gateUp), errors);
      errors = resultErrors(inner, down, kInner + 1);
      CallResults r =
          function.call({plainArgument(withPadding(x, rows.count)),
                         f32PanelsArgument(gateUp), f32PanelsArgument(down)});
      ASSERT_EQ(r.computed.size(), 1u);
      EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count,
                           [&](size_t at) { return errors[at]; }),
                1);
    }
  }
}

TEST_P(GatedMlpOfBytes, QuantizesTheInnerRows) {
  for (const StepForm &form : kForms) {
    CompiledFunction function(
        substitute(
            R"(
func.func @f(%x: $X, %gu: $G, %d: $D) -> tensor<$Tx64xf32> {
  %y = flow.gated_mlp %x, %gu, %d hidden <block = 16> : $X, $G, $D -> tensor<$Tx64xf32>
  return %y : tensor<$Tx64xf32>
})",
            {{"$X", "tensor<$Tx64xf32, #flow.quantized_rows<block = 32>>"},
             {"$G", "tensor<192x64xf32, #flow.panels<i8, block = 32>>"},
             {"$D", "tensor<64x96xf32, #flow.panels<i8, block = 32, "
                    "scale = f32, min = true>>"},
             {"$T", form.extent}}),
        GetParam());
    ByteWeight gateUp(2 * kInner, kDepth, 32, /*hasMinima=*/false, 64);
    ByteWeight down(kWidth, kInner, 32, /*hasMinima=*/true, 65);
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows");
      ByteRows x(rows.padded, kDepth, 32, 66);
      // GELU is no more than a switch where its argument is in the thousands.
      for (float &scale : x.scales)
        scale = std::ldexp(scale, -12);
      Tensor values = x.values();
      // Two blocks, the product of their scales, the interpreter.
      std::vector<double> errors;
      for (double magnitude : productMagnitudes(values, gateUp.magnitudes()))
        errors.push_back((2 + 2) * kF32 * magnitude);
      Inexact inner = quantized(
          innerRows(product({values.values.begin(), values.values.end()},
                            gateUp.values()),
                    errors),
          16);
      // Six blocks with minima, their product of scales, the interpreter.
      errors = resultErrors(inner, down.magnitudes(), 12 + 2);
      CallResults r = function.call(
          {x.argument(), gateUp.argument(true), down.argument(false)});
      ASSERT_EQ(r.computed.size(), 1u);
      EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.padded,
                           [&](size_t at) { return errors[at]; }),
                1);
    }
  }
}

} // namespace
