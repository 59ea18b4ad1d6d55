// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Quantised rows as code, seen through a product with the identity.

#include "StageTest.h"

using namespace flow;

namespace {

using QuantizeRows = StageTest;
INSTANTIATE_TEST_SUITE_P(Cpus, QuantizeRows, testing::ValuesIn(kFloatTargets),
                         targetName);

constexpr int64_t kDepth = 96;

/// The weight that gives back each element of a row.
ByteWeight identity(int64_t block) {
  ByteWeight weight(kDepth, kDepth, block, /*hasMinima=*/false, 51);
  llvm::fill(weight.quants, 0);
  for (int64_t i = 0; i != kDepth; ++i)
    weight.quants[i * kDepth + i] = 1;
  llvm::fill(weight.scales, 1.0f);
  return weight;
}

/// Rows with a block of zeros, one with nothing but its largest element, one
/// whose scale is 1, so that every half is a tie, and random ones of sizes far
/// apart.
Tensor hardRows(int64_t rows) {
  Tensor x = randomTensor({rows, kDepth}, 52);
  for (int64_t t = 0; t != rows; ++t)
    for (int64_t k = 0; k != kDepth; ++k) {
      float &value = x.values[t * kDepth + k];
      switch ((t + k / 32) % 4) {
      case 0:
        value = std::ldexp(value, t - 6);
        break;
      case 1:
        value = k % 16 == 0 ? 127 : k % 32 * 3 - 48 + 0.5f;
        break;
      case 2:
        value = k % 16 == 5 ? -value : 0;
        break;
      default:
        value = t % 2 ? 0 : value;
      }
    }
  return x;
}

TEST_P(QuantizeRows, IsTheReference) {
  for (int64_t block : {16, 32}) {
    CodeArgument weight = identity(block).argument(/*halfScales=*/true);
    for (const StepForm &form : kForms) {
      CompiledFunction function(
          substitute(R"(
func.func @f(%x: tensor<$Tx96xf32>, %w: tensor<96x96xf32, #flow.panels<i8, block = $B>>) -> tensor<$Tx96xf32> {
  %q = flow.quantize_rows %x : tensor<$Tx96xf32> -> tensor<$Tx96xf32, #flow.quantized_rows<block = $B>>
  %y = flow.linear %q, %w : tensor<$Tx96xf32, #flow.quantized_rows<block = $B>>, tensor<96x96xf32, #flow.panels<i8, block = $B>> -> tensor<$Tx96xf32>
  return %y : tensor<$Tx96xf32>
})",
                     {{"$T", form.extent}, {"$B", std::to_string(block)}}),
          GetParam());
      for (StepRows rows : form.steps) {
        SCOPED_TRACE(testing::Message()
                     << rows.count << " rows in blocks of " << block);
        Tensor x = withPadding(hardRows(rows.padded), rows.count);
        CallResults r = function.call({plainArgument(x), weight});
        ASSERT_EQ(r.computed.size(), 1u);
        // The product adds one element to zeros. Quants are the same: every
        // step from an element to its quant is one operation of f32, and none
        // may be replaced by another. A wrong one is off by 1/127 at least,
        // while a scale of one ulp more or less, times the quant and rounded
        // on both sides, is off by 4 u.
        EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count,
                             [&](size_t at) {
                               return 4 * kF32 *
                                          std::abs(r.expected[0].values[at]) +
                                      0x1p-149;
                             }),
                  1);
      }
    }
  }
}

} // namespace
