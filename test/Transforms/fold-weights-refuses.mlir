// RUN: flow-opt %s --flow-fold-weights --remarks-filter=flow-fold-weights --split-input-file --verify-diagnostics | FileCheck %s

// T20
// CHECK-NOT: unit_offset
// CHECK-NOT: flow.derived_weight

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @n : tensor<64xf32>
  flow.weight @a : tensor<64x64xf32>
  flow.weight @b : tensor<32x64xf32>
}
func.func @also_plain(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<64xf32>) {
  %w = flow.weight_ref @m::@n : tensor<64xf32>
  %one = arith.constant dense<1.0> : tensor<64xf32>
  // expected-remark @+1 {{the weight is also read without the addition}}
  %w1 = arith.addf %w, %one : tensor<64xf32>
  %y = flow.rms_norm %x scale %w1 : tensor<?x64xf32>, tensor<64xf32>
  return %y, %w : tensor<?x64xf32>, tensor<64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @n : tensor<64xf32>
  flow.weight @a : tensor<64x64xf32>
  flow.weight @b : tensor<32x64xf32>
}
func.func @matrix() -> tensor<64x64xf32> {
  %w = flow.weight_ref @m::@a : tensor<64x64xf32>
  %one = arith.constant dense<1.0> : tensor<64x64xf32>
  // expected-remark @+1 {{only vectors can be offset when they are loaded}}
  %w1 = arith.addf %w, %one : tensor<64x64xf32>
  return %w1 : tensor<64x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @n : tensor<64xf32>
  flow.weight @a : tensor<64x64xf32>
  flow.weight @b : tensor<32x64xf32>
}
func.func @beside_each_other() -> tensor<64x128xf32> {
  %a = flow.weight_ref @m::@a : tensor<64x64xf32>
  // expected-remark @+1 {{not all parts are matrices of the model below each other}}
  %w = tensor.concat dim(1) %a, %a : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x128xf32>
  return %w : tensor<64x128xf32>
}
