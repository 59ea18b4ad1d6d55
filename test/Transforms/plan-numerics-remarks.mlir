// RUN: flow-opt %s --flow-plan-numerics --remarks-filter=flow-plan-numerics \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32> storage q5_0
  flow.weight @v : tensor<32x64xf32> storage q8_0
  flow.derived_weight @qv : tensor<96x64xf32> = concat [@q, @v]
}
// The remark names every source.
// CHECK-LABEL: @all_integer
func.func @all_integer(%x: tensor<?x64xf32>) -> tensor<?x96xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "i8"}
  %w = flow.weight_ref @m::@qv : tensor<96x64xf32>
  // expected-remark @below {{[Passed] arithmetic | Category:flow-plan-numerics | Remark="i8: @q is stored as q5_0, @v is stored as q8_0"}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32> storage q5_0
  flow.weight @v : tensor<32x64xf32> storage bf16
  flow.derived_weight @qv : tensor<96x64xf32> = concat [@q, @v]
}
// One float source is enough for f32, and is the one that is named.
// CHECK-LABEL: @one_float
func.func @one_float(%x: tensor<?x64xf32>) -> tensor<?x96xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "f32"}
  %w = flow.weight_ref @m::@qv : tensor<96x64xf32>
  // expected-remark @below {{[Passed] arithmetic | Category:flow-plan-numerics | Remark="f32: @v is stored as bf16"}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}
