// RUN: flow-opt %s --flow-fold-weights --remarks-filter=flow-fold-weights \
// RUN:   --verify-diagnostics | FileCheck %s

// Sums that are not a weight plus one in every place are no candidates.
// CHECK-NOT: unit_offset
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @n : tensor<64xf32>
}
// CHECK-LABEL: @plus_two
func.func @plus_two() -> tensor<64xf32> {
  // CHECK: arith.addf
  %w = flow.weight_ref @m::@n : tensor<64xf32>
  %two = arith.constant dense<2.0> : tensor<64xf32>
  %s = arith.addf %w, %two : tensor<64xf32>
  return %s : tensor<64xf32>
}
// CHECK-LABEL: @no_weight
func.func @no_weight(%x: tensor<64xf32>) -> tensor<64xf32> {
  // CHECK: arith.addf
  %one = arith.constant dense<1.0> : tensor<64xf32>
  %s = arith.addf %x, %one : tensor<64xf32>
  return %s : tensor<64xf32>
}
// CHECK-LABEL: @itself
func.func @itself() -> tensor<64xf32> {
  // CHECK: arith.addf
  %w = flow.weight_ref @m::@n : tensor<64xf32>
  %s = arith.addf %w, %w : tensor<64xf32>
  return %s : tensor<64xf32>
}
