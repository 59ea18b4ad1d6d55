// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Norms whose rows are laid out for products equal the norm and the layout.

#include "StageTest.h"

using namespace flow;

namespace {

using NormsInBytes = StageTest;
INSTANTIATE_TEST_SUITE_P(Targets, NormsInBytes, testing::ValuesIn(kByteTargets),
                         targetName);
using NormsInBf16 = StageTest;
INSTANTIATE_TEST_SUITE_P(Targets, NormsInBf16, testing::ValuesIn(kBf16Targets),
                         targetName);

/// Three blocks of 32; ten and two of 64.
constexpr int64_t kDepths[] = {96, 704};

/// The norm, and the norm of a sum, each laid out by itself and by another
/// stage, all seen through a product with `%w`.
const char *const kNorms = R"(
func.func @f(%x: $R, %b: $R, %n: tensor<$Dxf32>, %w: $W) -> ($Y, $Y, $R, $Y, $Y, $R) {
  %n1 = flow.rms_norm %x scale %n : $R, tensor<$Dxf32>
  %q1 = flow.quantize_rows %n1 : $R -> $Q
  %y1 = flow.linear %q1, %w : $Q, $W -> $Y
  %q2 = flow.rms_norm %x scale %n : $R, tensor<$Dxf32> -> $Q
  %y2 = flow.linear %q2, %w : $Q, $W -> $Y
  %s1, %n3 = flow.add_rms_norm %x, %b branch_scale %n scale %n : $R, tensor<$Dxf32>
  %q3 = flow.quantize_rows %n3 : $R -> $Q
  %y3 = flow.linear %q3, %w : $Q, $W -> $Y
  %s2, %q4 = flow.add_rms_norm %x, %b branch_scale %n scale %n : $R, tensor<$Dxf32> -> $Q
  %y4 = flow.linear %q4, %w : $Q, $W -> $Y
  return %y1, %y2, %s1, %y3, %y4, %s2 : $Y, $Y, $R, $Y, $Y, $R
})";

/// Compares the laid out norms with the others, and with the interpreter,
/// whose rows may fall on the other side of a tie.
void expectEqualNorms(const CodeTarget &target, int64_t depth,
                      const std::string &rows, const std::string &panels,
                      const CodeArgument &weight) {
  for (const StepForm &form : kForms) {
    CompiledFunction function(
        substitute(kNorms, {{"$R", "tensor<$Tx$Dxf32>"},
                            {"$Q", "tensor<$Tx$Dxf32, " + rows + ">"},
                            {"$W", "tensor<32x$Dxf32, " + panels + ">"},
                            {"$Y", "tensor<$Tx32xf32>"},
                            {"$D", std::to_string(depth)},
                            {"$T", form.extent}}),
        target);
    for (StepRows step : form.steps) {
      SCOPED_TRACE(testing::Message() << step.count << " rows of " << depth);
      auto argument = [&](uint32_t seed) {
        return plainArgument(
            withPadding(randomTensor({step.padded, depth}, seed), step.count));
      };
      CallResults r =
          function.call({argument(81), argument(82),
                         plainArgument(randomTensor({depth}, 83)), weight});
      ASSERT_EQ(r.computed.size(), 6u);
      for (size_t i : {0, 3}) {
        EXPECT_TRUE(sameValues(r.computed[i + 1], r.computed[i], step.count));
        EXPECT_TRUE(sameValues(r.expected[i + 1], r.expected[i], step.count));
      }
      EXPECT_TRUE(sameValues(r.computed[5], r.computed[2], step.count));
    }
  }
}

// T29
TEST_P(NormsInBytes, AreTheQuantizedNorms) {
  for (int64_t block : {16, 32})
    for (int64_t depth : kDepths) {
      ByteWeight weight(32, depth, block, /*hasMinima=*/true, 84);
      std::string size = std::to_string(block);
      expectEqualNorms(
          GetParam(), depth, "#flow.quantized_rows<block = " + size + ">",
          "#flow.panels<i8, block = " + size + ", scale = f32, min = true>",
          weight.argument(/*halfScales=*/false));
    }
}

TEST_P(NormsInBf16, AreTheRoundedNorms) {
  for (int64_t depth : kDepths)
    expectEqualNorms(GetParam(), depth, "#flow.bf16_rows", "#flow.panels<bf16>",
                     bf16PanelsArgument(randomTensor({32, depth}, 85)));
}

} // namespace
