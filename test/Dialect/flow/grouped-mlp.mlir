// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @grouped_mlp
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[E:.*]]: tensor<?x4xi32>, %[[S:.*]]: tensor<?x4xf32>, %[[GU:.*]]: tensor<2048x64xf32>, %[[D:.*]]: tensor<2048x32xf32>)
func.func @grouped_mlp(%x: tensor<?x64xf32>, %e: tensor<?x4xi32>, %s: tensor<?x4xf32>, %gate_up: tensor<2048x64xf32>, %down: tensor<2048x32xf32>) {
  // CHECK: flow.grouped_mlp %[[X]] to %[[E]] by %[[S]], %[[GU]], %[[D]] : tensor<?x64xf32>, tensor<?x4xi32>, tensor<2048x64xf32>, tensor<2048x32xf32> -> tensor<?x64xf32>
  %y = flow.grouped_mlp %x to %e by %s, %gate_up, %down : tensor<?x64xf32>, tensor<?x4xi32>, tensor<2048x64xf32>, tensor<2048x32xf32> -> tensor<?x64xf32>
  return
}

// CHECK-LABEL: @quantized
func.func @quantized(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %e: tensor<1x2xi32>, %s: tensor<1x2xf32>, %gu: tensor<256x64xf32, #flow.panels<i8, block = 32>>, %d: tensor<256x32xf32, #flow.panels<bf16>>) {
  // CHECK: hidden(#flow.bf16_rows) : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<1x2xi32>,
  %y = flow.grouped_mlp %x to %e by %s, %gu, %d hidden(#flow.bf16_rows) : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<1x2xi32>, tensor<256x64xf32, #flow.panels<i8, block = 32>>, tensor<256x32xf32, #flow.panels<bf16>> -> tensor<1x64xf32>
  return
}
