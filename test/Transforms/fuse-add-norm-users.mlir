// RUN: flow-opt %s --flow-fuse-add-norm --remarks-filter=flow-fuse-add-norm \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// The sum is the stream of the next add, which is fused too.
// CHECK-LABEL: @chain
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[A:.*]]: tensor<?x8xf32>, %[[B:.*]]: tensor<?x8xf32>
func.func @chain(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %b: tensor<?x8xf32>, %w: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: %[[S:.*]], %[[N:.*]] = flow.add_rms_norm %[[X]], %[[A]] scale
  // CHECK: %{{.*}}, %[[M:.*]] = flow.add_rms_norm %[[S]], %[[B]] scale
  // CHECK: return %[[N]], %[[M]]
  %s = arith.addf %x, %a : tensor<?x8xf32>
  // expected-remark @below {{[Passed] add-norm-fused}}
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  %t = arith.addf %s, %b : tensor<?x8xf32>
  // expected-remark @below {{[Passed] add-norm-fused}}
  %m = flow.rms_norm %t scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n, %m : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// The second norm of a sum reads the sum of the first.
// CHECK-LABEL: @two_norms
func.func @two_norms(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>, %v: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: %[[S:.*]], %{{.*}} = flow.add_rms_norm
  // CHECK: flow.rms_norm %[[S]]
  %s = arith.addf %x, %a : tensor<?x8xf32>
  // expected-remark @below {{[Passed] add-norm-fused}}
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  // expected-remark @below {{Reason="the sum is used before it"}}
  %m = flow.rms_norm %s scale %v : tensor<?x8xf32>, tensor<8xf32>
  return %n, %m : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// CHECK-LABEL: @used_in_a_region_behind
func.func @used_in_a_region_behind(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>, %c: i1) -> tensor<?x8xf32> {
  // CHECK: %[[S:.*]], %[[N:.*]] = flow.add_rms_norm
  // CHECK: scf.yield %[[S]]
  %s = arith.addf %x, %a : tensor<?x8xf32>
  // expected-remark @below {{[Passed] add-norm-fused}}
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  %r = scf.if %c -> tensor<?x8xf32> {
    scf.yield %s : tensor<?x8xf32>
  } else {
    scf.yield %n : tensor<?x8xf32>
  }
  return %r : tensor<?x8xf32>
}
