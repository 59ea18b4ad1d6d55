// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @kv_append
// CHECK-SAME: (%[[K:.*]]: tensor<?x1x32xf32>, %[[V:.*]]: tensor<?x1x32xf32>, %[[KC:.*]]: tensor<?x1x32xf32>, %[[VC:.*]]: tensor<?x1x32xf32>, %[[START:.*]]: index, %[[COUNT:.*]]: index)
func.func @kv_append(%k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // CHECK: flow.kv_append %[[K]], %[[V]] into %[[KC]], %[[VC]] at %[[START]] count %[[COUNT]] : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  return
}

// A cache may hold its rows in a shorter type.
// CHECK-LABEL: @rounded
func.func @rounded(%k: tensor<1x1x32xf32>, %c: tensor<64x1x32xbf16>, %i: index) {
  // CHECK: flow.kv_append {{.*}} : tensor<1x1x32xf32>, tensor<64x1x32xbf16>
  %k1, %v1 = flow.kv_append %k, %k into %c, %c at %i count %i : tensor<1x1x32xf32>, tensor<64x1x32xbf16>
  return
}

// CHECK-LABEL: @sequences
// CHECK-SAME: (%[[K:.*]]: tensor<?x1x32xf32>, %[[KS:.*]]: tensor<?x?x1x32xf32>, %[[VS:.*]]: tensor<?x?x1x32xf32>, %[[V:.*]]: tensor<?x1x32xf32>, %[[S:.*]]: tensor<?x4xi32>)
func.func @sequences(%k: tensor<?x1x32xf32>, %ks: tensor<?x?x1x32xf32>, %vs: tensor<?x?x1x32xf32>, %v: tensor<?x1x32xf32>, %s: tensor<?x4xi32>) {
  // CHECK: flow.kv_append %[[K]], %[[V]] into %[[KS]], %[[VS]] sequences %[[S]] : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
  %k2, %v2 = flow.kv_append %k, %v into %ks, %vs sequences %s : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
  // CHECK: flow.kv_append %[[K]], %[[V]] into %[[KS]], %[[VS]] sequences %[[S]] single_rows : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
  %k3, %v3 = flow.kv_append %k, %v into %ks, %vs sequences %s single_rows : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
  return
}
