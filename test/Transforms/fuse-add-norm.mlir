// RUN: flow-opt %s --flow-fuse-add-norm --remarks-filter=flow-fuse-add-norm --split-input-file --verify-diagnostics | FileCheck %s

// T23

// CHECK-LABEL: @fuses
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[A:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8xf32>)
func.func @fuses(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK-NOT: arith.addf
  // CHECK: %[[SUM:.*]], %[[NORMED:.*]] = flow.add_rms_norm %[[X]], %[[A]] scale %[[W]]
  // CHECK: return %[[SUM]], %[[NORMED]]
  %s = arith.addf %x, %a : tensor<?x8xf32>
  // expected-remark @+1 {{[Passed] add-norm-fused}}
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %s, %n : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// CHECK-LABEL: @takes_in_the_norm_of_the_branch
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[A:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8xf32>, %[[WB:.*]]: tensor<8xf32>)
func.func @takes_in_the_norm_of_the_branch(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>, %wb: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK-NOT: flow.rms_norm
  // CHECK: flow.add_rms_norm %[[X]], %[[A]] branch_scale %[[WB]] scale %[[W]]
  %b = flow.rms_norm %a scale %wb : tensor<?x8xf32>, tensor<8xf32>
  %s = arith.addf %x, %b : tensor<?x8xf32>
  // expected-remark @+1 {{[Passed] add-norm-fused}}
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n : tensor<?x8xf32>
}

// -----

// A norm that others read stays; so does one with another epsilon.
// CHECK-LABEL: @leaves_a_shared_norm
// CHECK: %[[B:.*]] = flow.rms_norm
// CHECK: flow.add_rms_norm %{{.*}}, %[[B]] scale
func.func @leaves_a_shared_norm(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %b = flow.rms_norm %a scale %w : tensor<?x8xf32>, tensor<8xf32>
  %s = arith.addf %x, %b : tensor<?x8xf32>
  // expected-remark @+1 {{[Passed] add-norm-fused}}
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n, %b : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// A scale of the sum is taken in; what reads it reads the scaled sum.
// CHECK-LABEL: @takes_in_the_scale_of_the_sum
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[A:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8xf32>, %[[WB:.*]]: tensor<8xf32>, %[[C:.*]]: tensor<1xf32>)
func.func @takes_in_the_scale_of_the_sum(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>, %wb: tensor<8xf32>, %c: tensor<1xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK-NOT: flow.scale
  // CHECK: %[[SUM:.*]], %[[NORMED:.*]] = flow.add_rms_norm %[[X]], %[[A]] branch_scale %[[WB]] sum_scale %[[C]] scale %[[W]]
  // CHECK: return %[[SUM]], %[[NORMED]]
  %b = flow.rms_norm %a scale %wb : tensor<?x8xf32>, tensor<8xf32>
  %s = arith.addf %x, %b : tensor<?x8xf32>
  %t = flow.scale %s by %c : tensor<?x8xf32>, tensor<1xf32>
  // expected-remark @+1 {{[Passed] add-norm-fused}}
  %n = flow.rms_norm %t scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %t, %n : tensor<?x8xf32>, tensor<?x8xf32>
}
