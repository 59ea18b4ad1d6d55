// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @moe
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[E:.*]]: tensor<?x4xi32>, %[[S:.*]]: tensor<?x4xf32>, %[[G:.*]]: tensor<1024x64xf32>, %[[U:.*]]: tensor<1024x64xf32>, %[[D:.*]]: tensor<2048x32xf32>)
func.func @moe(%x: tensor<?x64xf32>, %e: tensor<?x4xi32>, %s: tensor<?x4xf32>, %gate: tensor<1024x64xf32>, %up: tensor<1024x64xf32>, %down: tensor<2048x32xf32>) {
  // CHECK: flow.moe %[[X]] to %[[E]] by %[[S]], %[[G]], %[[U]], %[[D]] : tensor<?x64xf32>, tensor<?x4xi32>, tensor<1024x64xf32>, tensor<2048x32xf32> -> tensor<?x64xf32>
  %y = flow.moe %x to %e by %s, %gate, %up, %down : tensor<?x64xf32>, tensor<?x4xi32>, tensor<1024x64xf32>, tensor<2048x32xf32> -> tensor<?x64xf32>
  return
}

// An odd number of experts of an odd width, and rows that become longer.
// CHECK-LABEL: @odd
func.func @odd(%x: tensor<2x6xf32>, %e: tensor<2x1xi32>, %s: tensor<2x1xf32>, %g: tensor<15x6xf32>, %d: tensor<21x5xf32>) {
  // CHECK: flow.moe {{.*}} -> tensor<2x7xf32>
  %y = flow.moe %x to %e by %s, %g, %g, %d : tensor<2x6xf32>, tensor<2x1xi32>, tensor<15x6xf32>, tensor<21x5xf32> -> tensor<2x7xf32>
  return
}
