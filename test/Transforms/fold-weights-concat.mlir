// RUN: flow-opt %s --flow-fold-weights --split-input-file | FileCheck %s

// T20

// CHECK-NOT: flow.derived_weight @a_b
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @a : tensor<64x64xf32>
  flow.weight @b : tensor<32x64xf32>
  flow.derived_weight @ready : tensor<96x64xf32> = concat [@a, @b]
}
// CHECK-LABEL: @reuses
func.func @reuses() -> tensor<96x64xf32> {
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@ready
  // CHECK-NEXT: return %[[W]]
  %a = flow.weight_ref @m::@a : tensor<64x64xf32>
  %b = flow.weight_ref @m::@b : tensor<32x64xf32>
  %w = tensor.concat dim(0) %a, %b : (tensor<64x64xf32>, tensor<32x64xf32>) -> tensor<96x64xf32>
  return %w : tensor<96x64xf32>
}

// -----

// The parts may still be read alone, and one may be there twice.
// CHECK: flow.derived_weight @a_b_a : tensor<160x64xf32> = concat [@a, @b, @a]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @a : tensor<64x64xf32>
  flow.weight @b : tensor<32x64xf32>
}
// CHECK-LABEL: @three_parts
func.func @three_parts() -> (tensor<160x64xf32>, tensor<64x64xf32>) {
  // CHECK: %[[A:.*]] = flow.weight_ref @m::@a :
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@a_b_a
  // CHECK: return %[[W]], %[[A]]
  %a = flow.weight_ref @m::@a : tensor<64x64xf32>
  %b = flow.weight_ref @m::@b : tensor<32x64xf32>
  %w = tensor.concat dim(0) %a, %b, %a : (tensor<64x64xf32>, tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<160x64xf32>
  return %w, %a : tensor<160x64xf32>, tensor<64x64xf32>
}
