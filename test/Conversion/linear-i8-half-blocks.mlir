// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// Weights scaled in blocks of 16 meet activations scaled in blocks of 32: two
// weight blocks read one activation scale.

// CHECK-DAG: #[[SCALE:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d2 floordiv 2)>

// CHECK-LABEL: func.func @half_blocks
func.func @half_blocks(%x: tensor<?x64xf32>, %w: tensor<32x64xf32, #flow.panels<i8, block = 16, scale = f32>>) -> tensor<?x32xf32> {
  // CHECK: scf.forall {{.*}} -> (tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x4xi32>)
  // CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[SCALE]], #{{.*}}, #{{.*}}]
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<sums = 16>>
  %y = flow.linear %q, %w : tensor<?x64xf32, #flow.quantized_rows<sums = 16>>, tensor<32x64xf32, #flow.panels<i8, block = 16, scale = f32>> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
