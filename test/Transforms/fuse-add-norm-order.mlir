// RUN: flow-opt %s --flow-fuse-add-norm | FileCheck %s

// CHECK-LABEL: @branch_on_the_left
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[A:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8xf32>, %[[WB:.*]]: tensor<8xf32>)
func.func @branch_on_the_left(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>, %wb: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: flow.add_rms_norm %[[X]], %[[A]] branch_scale %[[WB]] scale %[[W]]
  %b = flow.rms_norm %a scale %wb : tensor<?x8xf32>, tensor<8xf32>
  %s = arith.addf %b, %x : tensor<?x8xf32>
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n : tensor<?x8xf32>
}

// Of two normed operands the right one is the branch.
// CHECK-LABEL: @both_normed
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[A:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8xf32>)
func.func @both_normed(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[XN:.*]] = flow.rms_norm %[[X]]
  // CHECK: flow.add_rms_norm %[[XN]], %[[A]] branch_scale
  %xn = flow.rms_norm %x scale %w : tensor<?x8xf32>, tensor<8xf32>
  %an = flow.rms_norm %a scale %w : tensor<?x8xf32>, tensor<8xf32>
  %s = arith.addf %xn, %an : tensor<?x8xf32>
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n : tensor<?x8xf32>
}

// The norm's weight may be made between the add and the norm.
// CHECK-LABEL: @late_weight
func.func @late_weight(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[V:.*]] = arith.negf
  // CHECK: flow.add_rms_norm %{{.*}} scale %[[V]] eps 5.000000e-01 :
  %s = arith.addf %x, %a : tensor<?x8xf32>
  %v = arith.negf %w : tensor<8xf32>
  %n = flow.rms_norm %s scale %v eps 0.5 : tensor<?x8xf32>, tensor<8xf32>
  return %n : tensor<?x8xf32>
}

// CHECK-LABEL: @heads
func.func @heads(%x: tensor<?x2x8xbf16>, %a: tensor<?x2x8xbf16>, %w: tensor<8xf32>) -> tensor<?x2x8xbf16> {
  // CHECK: flow.add_rms_norm {{.*}} : tensor<?x2x8xbf16>, tensor<8xf32>
  %s = arith.addf %x, %a : tensor<?x2x8xbf16>
  %n = flow.rms_norm %s scale %w : tensor<?x2x8xbf16>, tensor<8xf32>
  return %n : tensor<?x2x8xbf16>
}
