// RUN: flow-opt %s --flow-plan-numerics=numerics=f32 --remarks-filter=flow-plan-numerics \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<512x64xf32> storage q8_0
}
// CHECK-LABEL: @exact
func.func @exact(%x: tensor<?x64xf32>) -> tensor<?x512xf32> {
  // CHECK: flow.lm_head {{.*}} {flow.arithmetic = "f32"}
  %w = flow.weight_ref @m::@w : tensor<512x64xf32>
  // expected-remark @below {{[Passed] arithmetic | Category:flow-plan-numerics | Remark="f32: every product is f32"}}
  %y = flow.lm_head %x, %w : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  return %y : tensor<?x512xf32>
}
