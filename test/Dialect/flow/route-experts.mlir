// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @route_experts
// CHECK-SAME: (%[[Z:.*]]: tensor<?x32xf32>, %[[S:.*]]: tensor<32xf32>)
func.func @route_experts(%logits: tensor<?x32xf32>, %scale: tensor<32xf32>) -> tensor<?x4xf32> {
  // CHECK: %{{.*}}, %[[SHARES:.*]] = flow.route_experts %[[Z]] scale %[[S]] factor 1.250000e-01 : tensor<?x32xf32>, tensor<32xf32> -> tensor<?x4xi32>
  // CHECK: return %[[SHARES]] : tensor<?x4xf32>
  %e, %s = flow.route_experts %logits scale %scale factor 1.25e-01 : tensor<?x32xf32>, tensor<32xf32> -> tensor<?x4xi32>
  return %s : tensor<?x4xf32>
}

// All of them, of one row in bf16.
// CHECK-LABEL: @all
func.func @all(%logits: tensor<1x3xbf16>, %scale: tensor<3xf32>) -> tensor<1x3xbf16> {
  // CHECK: flow.route_experts {{.*}} -> tensor<1x3xi32>
  %e, %s = flow.route_experts %logits scale %scale factor 1.0 : tensor<1x3xbf16>, tensor<3xf32> -> tensor<1x3xi32>
  return %s : tensor<1x3xbf16>
}
