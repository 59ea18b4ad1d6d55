// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// CHECK-DAG: #[[ROWS:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d4)>
// CHECK-DAG: #[[PANELS:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d1, d2, d3, d4)>
// CHECK-DAG: #[[OUT:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d3)>

// Rows are rounded once; the product is over pairs.
// CHECK-LABEL: func.func @linear
// CHECK-SAME: %[[X:.*]]: memref<?x64xf32>, %[[W:.*]]: memref<4x32x64xbf16>, %[[Y:.*]]: memref<?x128xf32>)
func.func @linear(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<bf16>>) -> tensor<?x128xf32> {
  // CHECK: %[[R:.*]] = scf.forall {{.*}} -> (tensor<?x64xbf16>)
  // CHECK-DAG: %[[A:.*]] = tensor.expand_shape %[[R]] {{\[\[}}0], [1, 2]] {{.*}} into tensor<?x32x2xbf16>
  // CHECK-DAG: %[[P:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0], [1], [2, 3]] {{.*}} into tensor<4x32x32x2xbf16>
  // CHECK: linalg.generic {indexing_maps = [#[[ROWS]], #[[PANELS]], #[[OUT]]], iterator_types = ["parallel", "parallel", "reduction", "parallel", "reduction"]}
  // CHECK-SAME: ins(%[[A]], %[[P]]
  // CHECK-COUNT-2: arith.extf
  // CHECK: math.fma
  %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}
