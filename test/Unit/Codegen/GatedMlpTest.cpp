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

// T22
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
      Inexact inner = interleavedGeglu(linear(Inexact(x), gateUp));
      std::vector<double> errors = linear(inner, down).errors;
      CallResults r =
          function.call({plainArgument(withPadding(x, rows.count)),
                         f32PanelsArgument(gateUp), f32PanelsArgument(down)});
      ASSERT_EQ(r.computed.size(), 1u);
      EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count, errors),
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
  %y = flow.gated_mlp %x, %gu, %d hidden(#flow.quantized_rows<block = 16>) : $X, $G, $D -> tensor<$Tx64xf32>
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
      // Two blocks, the product of their scales, the interpreter; then six
      // blocks with minima.
      Inexact gatesAndUps = linear(Inexact(x.values()), gateUp.values(),
                                   gateUp.magnitudes(), 2 + 2);
      Inexact inner = quantizeRows(interleavedGeglu(gatesAndUps), 16);
      std::vector<double> errors =
          linear(inner, down.values(), down.magnitudes(), 12 + 2).errors;
      CallResults r = function.call(
          {x.argument(), gateUp.argument(true), down.argument(false)});
      ASSERT_EQ(r.computed.size(), 1u);
      EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.padded, errors),
                1);
    }
  }
}

} // namespace
