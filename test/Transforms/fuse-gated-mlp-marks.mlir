// RUN: flow-opt %s --flow-fuse-gated-mlp --remarks-filter=flow-fuse-gated-mlp \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// What flow-plan-numerics has chosen for the products holds for their fusion.

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32> storage q8_0
  flow.weight @up : tensor<96x64xf32> storage q8_0
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @carries
func.func @carries(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.gated_mlp {{.*}} {flow.arithmetic = "i8", flow.hidden_arithmetic = "f32"}
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg {flow.arithmetic = "i8"} : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu {flow.arithmetic = "i8"} : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  // expected-remark @below {{[Passed] mlp-fused}}
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd {flow.arithmetic = "f32"} : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32> storage q8_0
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @refuses_two_arithmetics
func.func @refuses_two_arithmetics(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "i8"}
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "f32"}
  // CHECK: flow.geglu
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg {flow.arithmetic = "i8"} : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu {flow.arithmetic = "f32"} : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  // expected-remark @below {{[Missed] mlp-not-fused | Category:flow-fuse-gated-mlp | Reason="gate and up are marked with different arithmetic"}}
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd {flow.arithmetic = "i8"} : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}
