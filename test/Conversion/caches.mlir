// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// Keys come in panels of 32 positions, values in panels of 32 of their numbers;
// both are updated in place and are no results.

// CHECK-LABEL: func.func @append
// CHECK-SAME: %[[K:[^:]*]]: memref<1x?x32x32xf32>, %[[V:[^:]*]]: memref<1x1x?x32xf32>, %{{.*}}: index, %{{.*}}: index)
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

// Rounded when they are written, widened when they are read.

// CHECK-LABEL: func.func @halves
// CHECK-SAME: memref<1x?x64x32xf16>, %{{.*}}: memref<1x2x?x32xf16>
func.func @halves(%q: tensor<1x2x64xf32>, %k: tensor<1x1x64xf32>, %v: tensor<1x1x64xf32>, %kc: tensor<?x1x64xf16>, %vc: tensor<?x1x64xf16>, %start: index, %count: index) -> tensor<1x2x64xf32> {
  // CHECK: arith.truncf {{.*}} : vector<32xf32> to vector<32xf16>
  // CHECK: tensor.parallel_insert_slice {{.*}}[1, 2, 1, 32] [1, 1, 1, 1] : tensor<2x32xf16> into tensor<1x2x?x32xf16>
  // CHECK: arith.extf {{.*}} : vector<32xf16> to vector<32xf32>
  // CHECK: math.exp
  // CHECK: arith.extf {{.*}} : vector<32xf16> to vector<32xf32>
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<1x1x64xf32>, tensor<?x1x64xf16>
  %total = arith.addi %start, %count : index
  %o = flow.attention %q at %start, %k1, %v1 total %total mask <causal> scale 1.25e-01 : tensor<1x2x64xf32>, tensor<?x1x64xf16>
  return %o : tensor<1x2x64xf32>
}
