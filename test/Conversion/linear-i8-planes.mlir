// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// Leading bits become bytes as those of narrow weights do, and a second op adds
// the low ones. The product says what is asked for of its results.
// CHECK-LABEL: func.func @greedy
// CHECK-SAME: memref<16x8x128xi8>, %{{[^,]*}}: memref<16x2x128xi8>, %{{[^,]*}}: memref<16x6x128xi8>, %{{[^,]*}}: memref<16x2x32xf16>
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<16x2x4x2x128xi8>)
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[LOW:.*]], %[[LOW]], %[[LOW]] : tensor<16x2x8x128xi8>, tensor<16x2x3x128xi8>, tensor<16x2x3x128xi8>, tensor<16x2x3x128xi8>)
// CHECK: linalg.index 2
// CHECK: arith.ori
// CHECK: attrs =  {flow.screen_count = 1 : i64}
func.func @greedy(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %w: tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 5>>) -> (tensor<1x1xf32>, tensor<1x1xi32>) {
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 5>> -> tensor<1x1xf32>
  return %v, %i : tensor<1x1xf32>, tensor<1x1xi32>
}

// CHECK-LABEL: func.func @capped
// CHECK-SAME: memref<16x8x128xi8>, %{{[^,]*}}: memref<16x4x128xi8>, %{{[^,]*}}: memref<16x4x128xi8>
// CHECK: attrs =  {flow.screen_cap = 3.000000e+01 : f64, flow.screen_count = 8 : i64}
func.func @capped(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %w: tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 6>>) -> (tensor<1x8xf32>, tensor<1x8xi32>) {
  %v, %i = flow.lm_head_top_k %x, %w softcap 3.0e+01 : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 6>> -> tensor<1x8xf32>
  return %v, %i : tensor<1x8xf32>, tensor<1x8xi32>
}

// Another product of it has no such thing said.
// CHECK-LABEL: func.func @linear
// CHECK-NOT: flow.screen
func.func @linear(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<64x64xf32, #flow.panels<i8, block = 32, leading = 5>>) -> tensor<?x64xf32> {
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<64x64xf32, #flow.panels<i8, block = 32, leading = 5>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
