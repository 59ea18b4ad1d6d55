// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @linear
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<128x64xf32>)
func.func @linear(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>) {
  // CHECK: flow.linear %[[X]], %[[W]] : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>
  return
}

// CHECK-LABEL: @quantized
// CHECK-SAME: (%[[Q:.*]]: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %[[P:.*]]: tensor<128x64xf32, #flow.panels<i8, block = 32>>)
func.func @quantized(%q: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %p: tensor<128x64xf32, #flow.panels<i8, block = 32>>) {
  // CHECK: flow.linear %[[Q]], %[[P]] : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  %z = flow.linear %q, %p : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  return
}

// Rows may be cut finer than the weight: two blocks of 16 meet one of 32.
// CHECK-LABEL: @finer_rows
func.func @finer_rows(%q: tensor<?x64xf32, #flow.quantized_rows<block = 16>>, %p: tensor<128x64xf32, #flow.panels<i8, block = 32>>) {
  // CHECK: flow.linear {{.*}} : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<128x64xf32, #flow.panels<i8, block = 32>>
  %z = flow.linear %q, %p : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  return
}

// CHECK-LABEL: @plain_rows_and_f32_panels
func.func @plain_rows_and_f32_panels(%x: tensor<1x64xf32>, %p: tensor<128x64xf32, #flow.panels<f32>>) {
  // CHECK: flow.linear {{.*}} : tensor<1x64xf32>, tensor<128x64xf32, #flow.panels<f32>> -> tensor<1x128xf32>
  %z = flow.linear %x, %p : tensor<1x64xf32>, tensor<128x64xf32, #flow.panels<f32>> -> tensor<1x128xf32>
  return
}

// Rows and weights in bf16.
// CHECK-LABEL: @halves
func.func @halves(%h: tensor<?x64xf32, #flow.bf16_rows>, %r: tensor<128x64xf32, #flow.panels<bf16>>) {
  // CHECK: flow.linear {{.*}} : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
  %b = flow.linear %h, %r : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
  return
}
