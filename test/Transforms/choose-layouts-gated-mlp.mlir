// RUN: flow-opt %s --flow-choose-layouts | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate_up : tensor<192x64xf32> storage q8_0
  flow.weight @down : tensor<64x96xf32> storage q4_1
}
// CHECK-LABEL: @both
func.func @both(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: %[[R:.*]] = flow.quantize_rows
  // CHECK: %[[D:.*]] = flow.weight_ref @m::@down : tensor<64x96xf32, #flow.panels<i8, block = 32, min = true, bits = 4, offset = 0>>
  // CHECK: flow.gated_mlp %[[R]], %{{.*}}, %[[D]] hidden(#flow.quantized_rows<block = 16>) :
  %gu = flow.weight_ref @m::@gate_up : tensor<192x64xf32>
  %d = flow.weight_ref @m::@down : tensor<64x96xf32>
  %y = flow.gated_mlp %x, %gu, %d {flow.arithmetic = "i8", flow.hidden_arithmetic = "i8"} : tensor<?x64xf32>, tensor<192x64xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: @down_alone
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
func.func @down_alone(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK-NOT: flow.quantize_rows
  // CHECK: %[[GU:.*]] = flow.weight_ref @m::@gate_up : tensor<192x64xf32, #flow.panels<f32>>
  // CHECK: flow.gated_mlp %[[X]], %[[GU]], %{{.*}} hidden(#flow.quantized_rows<block = 16>) :
  %gu = flow.weight_ref @m::@gate_up : tensor<192x64xf32>
  %d = flow.weight_ref @m::@down : tensor<64x96xf32>
  %y = flow.gated_mlp %x, %gu, %d {flow.arithmetic = "f32", flow.hidden_arithmetic = "i8"} : tensor<?x64xf32>, tensor<192x64xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
