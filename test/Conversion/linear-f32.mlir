// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// CHECK-DAG: #[[ROWS:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d2)>
// CHECK-DAG: #[[PANELS:.*]] = affine_map<(d0, d1, d2, d3) -> (d1, d2, d3)>
// CHECK-DAG: #[[OUT:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>

// CHECK-LABEL: func.func @linear
// CHECK-SAME: (%{{.*}}: !llvm.ptr, %[[X:.*]]: memref<?x64xf32>, %[[W:.*]]: memref<4x64x32xf32>, %[[Y:.*]]: memref<?x128xf32>)
// CHECK-SAME: llvm.emit_c_interface
func.func @linear(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<f32>>) -> tensor<?x128xf32> {
  // CHECK-DAG: %[[XT:.*]] = bufferization.to_tensor %[[X]] restrict
  // CHECK-DAG: %[[WT:.*]] = bufferization.to_tensor %[[W]] restrict
  // CHECK: %[[C:.*]] = linalg.generic {indexing_maps = [#[[ROWS]], #[[PANELS]], #[[OUT]]], iterator_types = ["parallel", "parallel", "reduction", "parallel"]}
  // CHECK-SAME: ins(%[[XT]], %[[WT]]
  // CHECK: math.fma
  // CHECK: %[[FLAT:.*]] = tensor.collapse_shape %[[C]] {{\[\[}}0], [1, 2]]
  // CHECK: bufferization.materialize_in_destination %[[FLAT]] in restrict writable %[[Y]]
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32, #flow.panels<f32>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}
