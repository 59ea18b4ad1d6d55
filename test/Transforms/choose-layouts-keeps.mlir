// RUN: flow-opt %s --flow-choose-layouts | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x64xf32> storage q8_0
}
// A layout that is written is kept, whoever gives it; the mark goes.
// CHECK-LABEL: @written
func.func @written(%x: tensor<?x64xf32>, %p: tensor<32x64xf32, #flow.panels<f32>>) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@w : tensor<32x64xf32, #flow.panels<f32>>
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] :
  // CHECK-NEXT: flow.linear %{{.*}}, %{{.*}} :
  %w = flow.weight_ref @m::@w : tensor<32x64xf32, #flow.panels<f32>>
  %y = flow.linear %x, %w {flow.arithmetic = "f32"} : tensor<?x64xf32>, tensor<32x64xf32, #flow.panels<f32>> -> tensor<?x32xf32>
  %z = flow.linear %x, %p : tensor<?x64xf32>, tensor<32x64xf32, #flow.panels<f32>> -> tensor<?x32xf32>
  return %y, %z : tensor<?x32xf32>, tensor<?x32xf32>
}
