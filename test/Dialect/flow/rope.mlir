// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @rope
// CHECK-SAME: (%[[Q:.*]]: tensor<?x2x32xf32>, %[[ANGLES:.*]]: tensor<?x16x2xf32>)
func.func @rope(%q: tensor<?x2x32xf32>, %angles: tensor<?x16x2xf32>) {
  // CHECK: flow.rope %[[Q]], %[[ANGLES]] : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %r = flow.rope %q, %angles : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  return
}

// CHECK-LABEL: @one_pair
func.func @one_pair(%q: tensor<1x?x2xbf16>, %angles: tensor<1x1x2xf32>) {
  // CHECK: flow.rope {{.*}} : tensor<1x?x2xbf16>, tensor<1x1x2xf32>
  %r = flow.rope %q, %angles : tensor<1x?x2xbf16>, tensor<1x1x2xf32>
  return
}
