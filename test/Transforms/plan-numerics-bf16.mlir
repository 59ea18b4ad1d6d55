// RUN: flow-opt %s --flow-plan-numerics=numerics=bf16 --remarks-filter=flow-plan-numerics \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// Whatever the storage is, the weight is rounded.
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x64xf32> storage q8_0
}
// CHECK-LABEL: @integers
func.func @integers(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "bf16"}
  %w = flow.weight_ref @m::@w : tensor<32x64xf32>
  // expected-remark @below {{[Passed] arithmetic | Category:flow-plan-numerics | Remark="bf16: every product is bf16"}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

flow.model @m <hidden = 65, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x65xf32> storage bf16
}
// CHECK-LABEL: @odd
func.func @odd(%x: tensor<?x65xf32>) -> tensor<?x32xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "f32"}
  %w = flow.weight_ref @m::@w : tensor<32x65xf32>
  // expected-remark @below {{Remark="f32: its rows have an odd number of values"}}
  // expected-remark @below {{[Missed] not-bf16 | Category:flow-plan-numerics | Reason="its rows have an odd number of values"}}
  %y = flow.linear %x, %w : tensor<?x65xf32>, tensor<32x65xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

// CHECK-LABEL: @computed
func.func @computed(%x: tensor<?x64xf32>, %w: tensor<32x64xf32>) -> tensor<?x32xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "f32"}
  // expected-remark @below {{Remark="f32: the weight is not one of the model"}}
  // expected-remark @below {{[Missed] not-bf16 | Category:flow-plan-numerics | Reason="the weight is not one of the model"}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
