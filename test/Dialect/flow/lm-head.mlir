// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @lm_head
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[TABLE:.*]]: tensor<512x64xf32>)
func.func @lm_head(%x: tensor<?x64xf32>, %table: tensor<512x64xf32>) {
  // CHECK: flow.lm_head %[[X]], %[[TABLE]] : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  %l = flow.lm_head %x, %table : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  // CHECK: flow.lm_head %[[X]], %[[TABLE]] softcap 3.000000e+01 : tensor<?x64xf32>
  %c = flow.lm_head %x, %table softcap 3.0e+01 : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  return
}

// CHECK-LABEL: @quantized
func.func @quantized(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %table: tensor<512x64xf32, #flow.panels<i8, block = 16, scale = f32>>) {
  // CHECK: flow.lm_head {{.*}} : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<512x64xf32, #flow.panels<i8, block = 16, scale = f32>> -> tensor<1x512xf32>
  %l = flow.lm_head %x, %table : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<512x64xf32, #flow.panels<i8, block = 16, scale = f32>> -> tensor<1x512xf32>
  return
}
