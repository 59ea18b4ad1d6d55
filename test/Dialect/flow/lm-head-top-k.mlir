// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @lm_head_top_k
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<512x64xf32>)
func.func @lm_head_top_k(%x: tensor<?x64xf32>, %table: tensor<512x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xi32>) {
  // CHECK: %[[V:.*]], %[[I:.*]] = flow.lm_head_top_k %[[X]], %[[W]] softcap 3.000000e+01 : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x64xf32>
  // CHECK: return %[[V]], %[[I]] : tensor<?x64xf32>, tensor<?x64xi32>
  %v, %i = flow.lm_head_top_k %x, %table softcap 3.0e+01 : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x64xf32>
  return %v, %i : tensor<?x64xf32>, tensor<?x64xi32>
}

// CHECK-LABEL: @quantized
func.func @quantized(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %w: tensor<32x64xf32, #flow.panels<i8, block = 32>>) {
  // CHECK: flow.lm_head_top_k {{.*}} : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<32x64xf32, #flow.panels<i8, block = 32>> -> tensor<1x1xf32>
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<32x64xf32, #flow.panels<i8, block = 32>> -> tensor<1x1xf32>
  return
}
