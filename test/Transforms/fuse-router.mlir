// RUN: flow-opt %s --flow-fuse-router --remarks-filter=flow-fuse-router \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// The mark of the product's arithmetic stays.
// CHECK-LABEL: @fuses
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<32x64xf32>, %[[S:.*]]: tensor<32xf32>)
func.func @fuses(%x: tensor<?x64xf32>, %w: tensor<32x64xf32>, %scale: tensor<32xf32>) -> (tensor<?x4xi32>, tensor<?x4xf32>) {
  // CHECK: %[[E:.*]], %[[P:.*]] = flow.router %[[X]], %[[W]] scale %[[S]] factor 1.250000e-01 {flow.arithmetic = "bf16"} : tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32> -> tensor<?x4xi32>
  // CHECK-NEXT: return %[[E]], %[[P]]
  %z = flow.linear %x, %w {flow.arithmetic = "bf16"} : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  // expected-remark @below {{[Passed] router-fused | Category:flow-fuse-router}}
  %e, %s = flow.route_experts %z scale %scale factor 1.25e-01 : tensor<?x32xf32>, tensor<32xf32> -> tensor<?x4xi32>
  return %e, %s : tensor<?x4xi32>, tensor<?x4xf32>
}
