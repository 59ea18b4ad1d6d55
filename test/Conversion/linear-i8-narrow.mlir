// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// Weights of fewer than 8 bits are made bytes by an op without reduction; dots
// start from the part of the row's block sum that their offset asks for.

// CHECK-LABEL: func.func @half_bytes
// CHECK-SAME: %{{[^,]*}}: memref<2x8x128xi8>, %{{[^,]*}}: memref<2x2x32xf16>, %{{[^,]*}}: memref<?x64xf32>)
func.func @half_bytes(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<64x64xf32, #flow.panels<i8, block = 32, bits = 4, offset = 8>>) -> tensor<?x64xf32> {
  // CHECK: %[[START:.*]] = linalg.generic
  // CHECK: %[[SHIFT:.*]] = arith.constant 4 : i32
  // CHECK: arith.shrsi %{{.*}}, %[[SHIFT]] : i32
  // CHECK: %[[BYTES:.*]] = linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} ins(%{{.*}} : tensor<2x8x1x128xi8>) outs(%{{.*}} : tensor<2x8x1x2x128xi8>)
  // CHECK: linalg.index 3
  // CHECK: arith.shrui
  // CHECK: arith.andi
  // CHECK: %[[FLAT:.*]] = tensor.collapse_shape %[[BYTES]] {{.*}} into tensor<2x16x128xi8>
  // CHECK: %[[W:.*]] = tensor.expand_shape %[[FLAT]]
  // CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[W]] : {{.*}}) outs(%[[START]] :
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<64x64xf32, #flow.panels<i8, block = 32, bits = 4, offset = 8>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @fifth_bits
// CHECK-SAME: memref<1x8x128xi8>, %{{[^,]*}}: memref<1x2x128xi8>, %{{[^,]*}}: memref<1x2x32xf32>, %{{[^,]*}}: memref<1x2x32xf32>, %{{[^,]*}}: memref<?x32xf32>)
func.func @fifth_bits(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<32x64xf32, #flow.panels<i8, block = 32, scale = f32, min = true, bits = 5, offset = 0>>) -> tensor<?x32xf32> {
  // Without an offset dots start from zero.
  // CHECK: %[[START:.*]] = linalg.fill ins(%c0_i32 : i32)
  // CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<1x2x4x128xi8>, tensor<1x2x128xi8>) outs(%{{.*}} : tensor<1x2x4x2x128xi8>)
  // CHECK: arith.shli
  // CHECK: arith.ori
  // CHECK: linalg.generic {{.*}} outs(%[[START]] :
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<32x64xf32, #flow.panels<i8, block = 32, scale = f32, min = true, bits = 5, offset = 0>> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// CHECK-LABEL: func.func @sixth_bits
// CHECK-SAME: memref<1x8x128xi8>, %{{[^,]*}}: memref<1x4x128xi8>, %{{[^,]*}}: memref<1x4x32xf32>, %{{[^,]*}}: memref<?x32xf32>)
func.func @sixth_bits(%x: tensor<?x64xf32, #flow.quantized_rows<block = 16>>, %w: tensor<32x64xf32, #flow.panels<i8, block = 16, scale = f32, bits = 6, offset = 32>>) -> tensor<?x32xf32> {
  // CHECK: arith.constant 2 : i32
  // CHECK: arith.shrsi
  // CHECK: ins(%{{.*}}, %{{.*}} : tensor<1x4x2x128xi8>, tensor<1x4x128xi8>)
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<32x64xf32, #flow.panels<i8, block = 16, scale = f32, bits = 6, offset = 32>> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
