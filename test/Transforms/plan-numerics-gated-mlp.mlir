// RUN: flow-opt %s --flow-plan-numerics | FileCheck %s

// The two products of a gated MLP are chosen apart.
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @i_gate_up : tensor<192x64xf32> storage q4_1
  flow.weight @i_down : tensor<64x96xf32> storage q8_0
  flow.weight @f_gate_up : tensor<192x64xf32> storage bf16
  flow.weight @f_down : tensor<64x96xf32> storage f32
}
// CHECK-LABEL: @i_i
func.func @i_i(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.gated_mlp {{.*}} {flow.arithmetic = "i8", flow.hidden_arithmetic = "i8"}
  %gu = flow.weight_ref @m::@i_gate_up : tensor<192x64xf32>
  %d = flow.weight_ref @m::@i_down : tensor<64x96xf32>
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<192x64xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
// CHECK-LABEL: @i_f
func.func @i_f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.gated_mlp {{.*}} {flow.arithmetic = "i8", flow.hidden_arithmetic = "f32"}
  %gu = flow.weight_ref @m::@i_gate_up : tensor<192x64xf32>
  %d = flow.weight_ref @m::@f_down : tensor<64x96xf32>
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<192x64xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
// CHECK-LABEL: @f_i
func.func @f_i(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.gated_mlp {{.*}} {flow.arithmetic = "bf16", flow.hidden_arithmetic = "i8"}
  %gu = flow.weight_ref @m::@f_gate_up : tensor<192x64xf32>
  %d = flow.weight_ref @m::@i_down : tensor<64x96xf32>
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<192x64xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
// CHECK-LABEL: @f_f
func.func @f_f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.gated_mlp {{.*}} {flow.arithmetic = "bf16", flow.hidden_arithmetic = "f32"}
  %gu = flow.weight_ref @m::@f_gate_up : tensor<192x64xf32>
  %d = flow.weight_ref @m::@f_down : tensor<64x96xf32>
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<192x64xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
