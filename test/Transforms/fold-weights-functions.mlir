// RUN: flow-opt %s --flow-fold-weights --remarks-filter=flow-fold-weights \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// A weight has one meaning for the whole module.
// CHECK: flow.weight @n : tensor<64xf32> unit_offset
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @n : tensor<64xf32>
}
// CHECK-LABEL: @first
func.func @first() -> tensor<64xf32> {
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@n
  // CHECK: return %[[W]]
  %w = flow.weight_ref @m::@n : tensor<64xf32>
  %one = arith.constant dense<1.0> : tensor<64xf32>
  // expected-remark @below {{[Passed] weight-folded | Category:flow-fold-weights | Remark="@n gets a unit offset"}}
  %w1 = arith.addf %w, %one : tensor<64xf32>
  return %w1 : tensor<64xf32>
}
// CHECK-LABEL: @second
func.func @second() -> tensor<64xf32> {
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@n
  // CHECK: return %[[W]]
  %w = flow.weight_ref @m::@n : tensor<64xf32>
  %one = arith.constant dense<1.0> : tensor<64xf32>
  // expected-remark @below {{[Passed] weight-folded | Category:flow-fold-weights | Remark="@n gets a unit offset"}}
  %w1 = arith.addf %one, %w : tensor<64xf32>
  return %w1 : tensor<64xf32>
}

// -----

// CHECK: flow.weight @n : tensor<64xf32>{{$}}
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @n : tensor<64xf32>
}
// CHECK-LABEL: @adds
func.func @adds() -> tensor<64xf32> {
  // CHECK: arith.addf
  %w = flow.weight_ref @m::@n : tensor<64xf32>
  %one = arith.constant dense<1.0> : tensor<64xf32>
  // expected-remark @below {{[Missed] weight-not-folded | Category:flow-fold-weights | Reason="the weight is also read without the addition"}}
  %w1 = arith.addf %w, %one : tensor<64xf32>
  return %w1 : tensor<64xf32>
}
func.func @reads() -> tensor<64xf32> {
  %w = flow.weight_ref @m::@n : tensor<64xf32>
  return %w : tensor<64xf32>
}
