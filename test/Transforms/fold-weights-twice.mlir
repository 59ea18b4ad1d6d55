// RUN: flow-opt %s --flow-fold-weights --remarks-filter=flow-fold-weights --verify-diagnostics

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @n : tensor<64xf32> unit_offset
  flow.weight @a : tensor<64x64xf32>
  flow.weight @b : tensor<32x64xf32>
}
func.func @offset_already() -> tensor<64xf32> {
  %w = flow.weight_ref @m::@n : tensor<64xf32>
  %one = arith.constant dense<1.0> : tensor<64xf32>
  // expected-remark @+1 {{the weight has a unit offset already}}
  %w1 = arith.addf %w, %one : tensor<64xf32>
  return %w1 : tensor<64xf32>
}
