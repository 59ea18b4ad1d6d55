// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The gate of a layer's embeddings as code, against the interpreter.

#include "StageTest.h"

using namespace flow;

namespace {

class PerLayerGate : public StageTest {};
INSTANTIATE_TEST_SUITE_P(Cpus, PerLayerGate, testing::ValuesIn(kFloatTargets),
                         targetName);

constexpr int64_t kDepth = 64, kInner = 32, kWidth = 96;

/// Gates and what they let through, 16 columns of each in turn, as the bound of
/// an MLP has them.
Inexact interleaved(const Inexact &gates, const Tensor &embedded) {
  Inexact rows(2 * kInner);
  for (size_t first = 0; first != gates.values.size(); first += 16) {
    for (size_t i = first; i != first + 16; ++i) {
      rows.values.push_back(gates.values[i]);
      rows.errors.push_back(gates.errors[i]);
    }
    for (size_t i = first; i != first + 16; ++i) {
      rows.values.push_back(embedded.values[i]);
      rows.errors.push_back(0);
    }
  }
  return rows;
}

TEST_P(PerLayerGate, F32) {
  for (const StepForm &form : kForms) {
    CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx64xf32>, %g: tensor<32x64xf32, #flow.panels<f32>>, %p: tensor<$Tx32xf32>, %o: tensor<96x32xf32, #flow.panels<f32>>) -> tensor<$Tx96xf32> {
  %y = flow.per_layer_gate %x, %g, %p, %o : tensor<$Tx64xf32>, tensor<32x64xf32, #flow.panels<f32>>, tensor<$Tx32xf32>, tensor<96x32xf32, #flow.panels<f32>> -> tensor<$Tx96xf32>
  return %y : tensor<$Tx96xf32>
})",
                                         {{"$T", form.extent}}),
                              GetParam());
    Tensor gate = randomTensor({kInner, kDepth}, 91);
    Tensor output = randomTensor({kWidth, kInner}, 92);
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows");
      Tensor x = randomTensor({rows.padded, kDepth}, 93);
      Tensor embedded = randomTensor({rows.padded, kInner}, 94);
      Inexact inner =
          interleavedGeglu(interleaved(linear(Inexact(x), gate), embedded));
      std::vector<double> errors = linear(inner, output).errors;
      CallResults r = function.call(
          {plainArgument(withPadding(x, rows.count)), f32PanelsArgument(gate),
           plainArgument(withPadding(embedded, rows.count)),
           f32PanelsArgument(output)});
      ASSERT_EQ(r.computed.size(), 1u);
      EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.count, errors),
                1);
    }
  }
}

} // namespace
