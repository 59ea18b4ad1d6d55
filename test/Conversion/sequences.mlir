// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// A loop over the sequences around the kernels of one, each in its slot.

// CHECK-LABEL: func.func @append
// CHECK-SAME: %[[K:[^:]*]]: memref<?x1x?x32x32xf32>, %[[V:[^:]*]]: memref<?x1x1x?x32xf32>, %[[S:[^:]*]]: memref<?x4xi32>)
func.func @append(%k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %kc: tensor<?x?x1x32xf32>, %vc: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>) -> (tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>) {
  // CHECK: %[[TABLE:.*]] = bufferization.to_tensor %[[S]] restrict :
  // CHECK: %[[COUNT:.*]] = tensor.dim %[[TABLE]], %{{.*}}
  // CHECK: %[[NEW:.*]]:2 = scf.for %[[I:.*]] = %{{.*}} to %[[COUNT]]
  // CHECK: tensor.extract %[[TABLE]][%[[I]], %{{.*}}] : tensor<?x4xi32>
  // CHECK: tensor.extract_slice %{{.*}} : tensor<?x32xf32> to tensor<?x32xf32>
  // CHECK: tensor.extract_slice %{{.*}} : tensor<?x1x?x32x32xf32> to tensor<1x?x32x32xf32>
  // CHECK: scf.forall
  // CHECK: tensor.insert_slice %{{.*}} : tensor<1x?x32x32xf32> into tensor<?x1x?x32x32xf32>
  // CHECK: bufferization.materialize_in_destination %[[NEW]]#0 in restrict writable %[[K]]
  // CHECK: bufferization.materialize_in_destination %[[NEW]]#1 in restrict writable %[[V]]
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc sequences %s : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
  return %k1, %v1 : tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>
}

// Tiles are whole: the rows of a sequence are rounded up to twelves.
// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<?x2x32xf32>, %k: tensor<?x?x1x32xf32>, %v: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>) -> tensor<?x2x32xf32> {
  // CHECK: scf.for
  // CHECK: %[[TILES:.*]] = arith.divui %{{.*}}, %c12
  // CHECK: %[[ROWS:.*]] = arith.muli %[[TILES]], %c12
  // CHECK: tensor.extract_slice %{{.*}}[%[[FIRST:.*]], 0, 0] [%[[ROWS]], 2, 32] [1, 1, 1] : tensor<?x2x32xf32> to tensor<?x2x32xf32>
  // CHECK: %[[O:.*]] = scf.forall
  // CHECK: tensor.insert_slice %[[O]] into %{{.*}}[%[[FIRST]], 0, 0] [%[[ROWS]], 2, 32]
  %o = flow.attention %q sequences %s, %k, %v mask <causal> blocks <first = zero, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}
