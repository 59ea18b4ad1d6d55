// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s
// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg{row-unit=1})' | FileCheck %s --check-prefix=ANY

// One loop over the rows of all sequences, each of which looks its place up.

// CHECK-LABEL: func.func @append
// CHECK-SAME: %[[S:[^:]*]]: memref<?x4xi32>)
// CHECK: %[[TABLE:.*]] = bufferization.to_tensor %[[S]] restrict :
// CHECK-NOT: scf.for %
// CHECK: scf.forall (%[[I:.*]]) in
// CHECK: tensor.extract %[[TABLE]][%[[I]], %{{.*}}] : tensor<?x4xi32>
// CHECK: tensor.parallel_insert_slice %{{.*}} : tensor<32xf32> into tensor<?x1x?x32x32xf32>
func.func @append(%k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %kc: tensor<?x?x1x32xf32>, %vc: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>) -> (tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>) {
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc sequences %s single_rows : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
  return %k1, %v1 : tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>
}

// CHECK-LABEL: func.func @attention
// CHECK-SAME: %[[S:[^:]*]]: memref<?x4xi32>,
// CHECK: %[[TABLE:.*]] = bufferization.to_tensor %[[S]] restrict :
// CHECK-NOT: scf.for %
// CHECK: scf.forall (%[[I:.*]]) in
// CHECK: tensor.extract %[[TABLE]][%[[I]], %{{.*}}] : tensor<?x4xi32>
// CHECK: tensor.extract_slice %{{.*}} : tensor<?x1x?x32x32xf32> to tensor<1x?x32x32xf32>
func.func @attention(%q: tensor<?x2x32xf32>, %k: tensor<?x?x1x32xf32>, %v: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>) -> tensor<?x2x32xf32> {
  %o = flow.attention %q sequences %s single_rows, %k, %v mask <causal> blocks <first = zero, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// Groups of experts are of whole tiles only where rows are.
// CHECK-LABEL: func.func @experts
// CHECK: arith.constant 12 : index
// ANY-LABEL: func.func @experts
// ANY-NOT: arith.constant 12 : index
// ANY: return
func.func @experts(%x: tensor<?x64xf32>, %e: tensor<?x2xi32>, %p: tensor<?x2xf32>, %gu: tensor<512x64xf32, #flow.panels<f32>>, %d: tensor<256x64xf32, #flow.panels<f32>>) -> tensor<?x64xf32> {
  %y = flow.grouped_mlp %x to %e by %p, %gu, %d : tensor<?x64xf32>, tensor<?x2xi32>, tensor<512x64xf32, #flow.panels<f32>>, tensor<256x64xf32, #flow.panels<f32>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
