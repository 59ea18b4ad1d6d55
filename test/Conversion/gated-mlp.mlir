// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// The inner rows are quantised where they are made.

// CHECK-LABEL: func.func @gated_mlp
// CHECK: linalg.generic
// CHECK: scf.forall {{.*}} -> (tensor<?x128xi8>, tensor<?x8xf32>, tensor<?x8xi32>)
// CHECK: math.tanh
// CHECK: math.roundeven
// CHECK-NOT: scf.forall (
// CHECK: linalg.generic
func.func @gated_mlp(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32, #flow.panels<f32>>, %d: tensor<64x128xf32, #flow.panels<i8, block = 16>>) -> tensor<?x64xf32> {
  %y = flow.gated_mlp %x, %gu, %d hidden(#flow.quantized_rows<block = 16>) : tensor<?x64xf32>, tensor<256x64xf32, #flow.panels<f32>>, tensor<64x128xf32, #flow.panels<i8, block = 16>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
