// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// Rows scaled in blocks of 16 meet weights scaled in blocks of 32: two blocks
// of the rows read one scale and one minimum of the weights.

// CHECK-DAG: #[[PANEL:.*]] = affine_map<(d0, d1, d2, d3) -> (d1, d2 floordiv 2, d3)>

// CHECK-LABEL: func.func @half_blocks
func.func @half_blocks(%x: tensor<?x64xf32>, %w: tensor<32x64xf32, #flow.panels<i8, block = 32, scale = f32, min = true>>) -> tensor<?x32xf32> {
  // CHECK: scf.forall {{.*}} -> (tensor<?x64xi8>, tensor<?x4xf32>, tensor<?x4xi32>)
  // CHECK: linalg.generic {indexing_maps = [#{{.*}}, #{{.*}}, #[[PANEL]], #{{.*}}, #[[PANEL]], #{{.*}}]
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  %y = flow.linear %q, %w : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<32x64xf32, #flow.panels<i8, block = 32, scale = f32, min = true>> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
