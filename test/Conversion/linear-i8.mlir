// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s

// Quants, scales and minima travel apart; the integer dot of a block starts
// from the row's block sum, and a second op scales and adds the blocks.

// CHECK-LABEL: func.func @with_minima
// CHECK-SAME: memref<?x64xf32>, %{{.*}}: memref<4x16x128xi8>, %{{.*}}: memref<4x2x32xf32>, %{{.*}}: memref<4x2x32xf32>, %{{.*}}: memref<?x128xf32>)
func.func @with_minima(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32, scale = f32, min = true>>) -> tensor<?x128xf32> {
  // CHECK: %[[Q:.*]]:3 = scf.forall {{.*}} -> (tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>)
  // CHECK: %[[START:.*]] = linalg.generic {{.*}} ins(%[[Q]]#2 : tensor<?x2xi32>)
  // CHECK: %[[DOTS:.*]] = linalg.generic {{.*}} outs(%[[START]] : tensor<?x4x2x32xi32>)
  // CHECK: arith.extsi
  // CHECK: arith.extui
  // CHECK: arith.muli
  // CHECK: linalg.generic {{.*}} ins(%[[DOTS]], %[[Q]]#1, %{{.*}}, %[[Q]]#2, %{{.*}} : tensor<?x4x2x32xi32>
  // CHECK-COUNT-2: math.fma
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  %y = flow.linear %q, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32, scale = f32, min = true>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}
