// RUN: flow-opt %s --flow-fuse-add-norm --remarks-filter=flow-fuse-add-norm \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @used_in_a_region_before
func.func @used_in_a_region_before(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>, %c: i1) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: arith.addf
  %s = arith.addf %x, %a : tensor<?x8xf32>
  %r = scf.if %c -> tensor<?x8xf32> {
    scf.yield %s : tensor<?x8xf32>
  } else {
    scf.yield %x : tensor<?x8xf32>
  }
  // expected-remark @below {{[Missed] add-norm-not-fused | Category:flow-fuse-add-norm | Reason="the sum is used before it"}}
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n, %r : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// CHECK-LABEL: @used_in_another_block
func.func @used_in_another_block(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: arith.addf
  %s = arith.addf %x, %a : tensor<?x8xf32>
  // expected-remark @below {{[Missed] add-norm-not-fused | Category:flow-fuse-add-norm | Reason="the sum is used in another block"}}
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  cf.br ^next
^next:
  return %n, %s : tensor<?x8xf32>, tensor<?x8xf32>
}
