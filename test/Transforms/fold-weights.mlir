// RUN: flow-opt %s --flow-fold-weights --remarks-filter=flow-fold-weights --split-input-file --verify-diagnostics | FileCheck %s

// T20

// CHECK: flow.weight @n : tensor<64xf32> unit_offset
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @n : tensor<64xf32>
  flow.weight @a : tensor<64x64xf32>
  flow.weight @b : tensor<32x64xf32>
}
// CHECK-LABEL: @unit_offset
func.func @unit_offset(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK-NOT: arith.addf
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@n
  // CHECK: flow.rms_norm %{{.*}} scale %[[W]]
  %w = flow.weight_ref @m::@n : tensor<64xf32>
  %one = arith.constant dense<1.0> : tensor<64xf32>
  // expected-remark @+1 {{[Passed] weight-folded}}
  %w1 = arith.addf %one, %w : tensor<64xf32>
  %y = flow.rms_norm %x scale %w1 : tensor<?x64xf32>, tensor<64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// CHECK: flow.derived_weight @a_b : tensor<96x64xf32> = concat [@a, @b]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @n : tensor<64xf32>
  flow.weight @a : tensor<64x64xf32>
  flow.weight @b : tensor<32x64xf32>
}
// CHECK-LABEL: @concat
func.func @concat(%x: tensor<?x64xf32>) -> tensor<?x96xf32> {
  // CHECK-NOT: tensor.concat
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@a_b : tensor<96x64xf32>
  // CHECK: flow.linear %{{.*}}, %[[W]]
  %a = flow.weight_ref @m::@a : tensor<64x64xf32>
  %b = flow.weight_ref @m::@b : tensor<32x64xf32>
  // expected-remark @+1 {{[Passed] weight-folded}}
  %w = tensor.concat dim(0) %a, %b : (tensor<64x64xf32>, tensor<32x64xf32>) -> tensor<96x64xf32>
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}
