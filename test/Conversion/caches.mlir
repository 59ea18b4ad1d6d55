// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// Keys come in panels of 32 positions, values in rows; both are updated in
// place and are no results.

// CHECK-LABEL: func.func @append
// CHECK-SAME: %[[K:[^:]*]]: memref<1x?x32x32xf32>, %[[V:[^:]*]]: memref<1x?x32xf32>, %{{.*}}: index, %{{.*}}: index)
func.func @append(%k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) -> (tensor<?x1x32xf32>, tensor<?x1x32xf32>) {
  // CHECK: bufferization.to_tensor %[[K]] restrict writable
  // CHECK: bufferization.to_tensor %[[V]] restrict writable
  // CHECK: %[[NEW:.*]]:2 = scf.forall
  // CHECK: tensor.parallel_insert_slice {{.*}}[1, 1, 32, 1] [1, 1, 1, 1]
  // CHECK: bufferization.materialize_in_destination %[[NEW]]#0 in restrict writable %[[K]]
  // CHECK: bufferization.materialize_in_destination %[[NEW]]#1 in restrict writable %[[V]]
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  return %k1, %v1 : tensor<?x1x32xf32>, tensor<?x1x32xf32>
}
