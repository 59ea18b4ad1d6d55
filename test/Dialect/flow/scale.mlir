// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @scale
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[S:.*]]: tensor<1xf32>)
func.func @scale(%x: tensor<?x64xf32>, %s: tensor<1xf32>) {
  // CHECK: flow.scale %[[X]] by %[[S]] : tensor<?x64xf32>, tensor<1xf32>
  %y = flow.scale %x by %s : tensor<?x64xf32>, tensor<1xf32>
  return
}
