// RUN: flow-opt %s --flow-plan-numerics=numerics=int8 --remarks-filter=flow-plan-numerics \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x64xf32> storage q8_0
}
// CHECK-LABEL: @integers
func.func @integers(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "i8"}
  %w = flow.weight_ref @m::@w : tensor<32x64xf32>
  // expected-remark @below {{Remark="i8: @w is stored as q8_0"}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x64xf32> storage f16
}
// CHECK-LABEL: @floats
func.func @floats(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "f32"}
  %w = flow.weight_ref @m::@w : tensor<32x64xf32>
  // expected-remark @below {{Remark="f32: @w is stored as f16"}}
  // expected-remark @below {{[Missed] not-int8 | Category:flow-plan-numerics | Reason="@w is stored as f16"}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

// CHECK-LABEL: @computed
func.func @computed(%x: tensor<?x64xf32>, %w: tensor<32x64xf32>) -> tensor<?x32xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "f32"}
  // expected-remark @below {{Remark="f32: the weight is not one of the model"}}
  // expected-remark @below {{[Missed] not-int8 | Category:flow-plan-numerics | Reason="the weight is not one of the model"}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x64xf32> storage q8_0
}
// CHECK-LABEL: @bf16_rows
func.func @bf16_rows(%x: tensor<?x64xbf16>) -> tensor<?x32xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "f32"}
  %w = flow.weight_ref @m::@w : tensor<32x64xf32>
  // expected-remark @below {{Remark="f32: only rows of f32 are quantised"}}
  // expected-remark @below {{[Missed] not-int8 | Category:flow-plan-numerics | Reason="only rows of f32 are quantised"}}
  %y = flow.linear %x, %w : tensor<?x64xbf16>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x64xf32> storage bf16
}
// CHECK-LABEL: @halves
func.func @halves(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "bf16"}
  %w = flow.weight_ref @m::@w : tensor<32x64xf32>
  // expected-remark @below {{Remark="bf16: @w is stored as bf16"}}
  // expected-remark @below {{[Missed] not-int8 | Category:flow-plan-numerics | Reason="@w is stored as bf16"}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
