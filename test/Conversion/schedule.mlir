// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// The model and the function that runs through it are the plan's matter; other
// ops are kept where they stand between stages.

// CHECK-NOT: flow.
// CHECK-NOT: @step
flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @final_norm : tensor<64xf32>
}
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = flow.weight_ref @tiny::@final_norm : tensor<64xf32>
  %y = func.call @norm(%x, %w) : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
// CHECK-LABEL: func.func @norm
func.func @norm(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32> {
  // CHECK: scf.forall
  // CHECK: arith.addf
  %n = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
  %s = arith.addf %x, %n : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}
