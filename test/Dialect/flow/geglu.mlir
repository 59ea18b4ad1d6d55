// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @geglu
// CHECK-SAME: (%[[GATE:.*]]: tensor<?x128xf32>, %[[UP:.*]]: tensor<?x128xf32>)
func.func @geglu(%gate: tensor<?x128xf32>, %up: tensor<?x128xf32>) {
  // CHECK: flow.geglu %[[GATE]], %[[UP]] : tensor<?x128xf32>
  %h = flow.geglu %gate, %up : tensor<?x128xf32>
  return
}
