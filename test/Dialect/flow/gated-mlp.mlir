// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @gated_mlp
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[GU:.*]]: tensor<256x64xf32>, %[[D:.*]]: tensor<64x128xf32>)
func.func @gated_mlp(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<64x128xf32>) {
  // CHECK: flow.gated_mlp %[[X]], %[[GU]], %[[D]] : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}

// CHECK-LABEL: @quantized
func.func @quantized(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %gu: tensor<256x64xf32, #flow.panels<i8, block = 32>>, %d: tensor<64x128xf32, #flow.panels<i8, block = 32>>) {
  // CHECK: flow.gated_mlp %{{.*}}, %{{.*}}, %{{.*}} hidden(#flow.quantized_rows<block = 16>) : tensor<1x64xf32, #flow.quantized_rows<block = 16>>,
  %y = flow.gated_mlp %x, %gu, %d hidden(#flow.quantized_rows<block = 16>) : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<256x64xf32, #flow.panels<i8, block = 32>>, tensor<64x128xf32, #flow.panels<i8, block = 32>> -> tensor<1x64xf32>
  return
}

// The products may differ in arithmetic, and the result in width.
// CHECK-LABEL: @mixed
func.func @mixed(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32, #flow.panels<f32>>, %d: tensor<32x128xf32, #flow.panels<i8, block = 16>>) {
  // CHECK: hidden(#flow.quantized_rows<block = 16>) : tensor<?x64xf32>, {{.*}} -> tensor<?x32xf32>
  %y = flow.gated_mlp %x, %gu, %d hidden(#flow.quantized_rows<block = 16>) : tensor<?x64xf32>, tensor<256x64xf32, #flow.panels<f32>>, tensor<32x128xf32, #flow.panels<i8, block = 16>> -> tensor<?x32xf32>
  return
}

// CHECK-LABEL: @halves
func.func @halves(%x: tensor<?x64xf32, #flow.bf16_rows>, %gu: tensor<256x64xf32, #flow.panels<bf16>>, %d: tensor<32x128xf32, #flow.panels<bf16>>) {
  // CHECK: hidden(#flow.bf16_rows) : tensor<?x64xf32, #flow.bf16_rows>
  %y = flow.gated_mlp %x, %gu, %d hidden(#flow.bf16_rows) : tensor<?x64xf32, #flow.bf16_rows>, tensor<256x64xf32, #flow.panels<bf16>>, tensor<32x128xf32, #flow.panels<bf16>> -> tensor<?x32xf32>
  return
}
