// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @per_layer_gate
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[G:.*]]: tensor<32x64xf32>, %[[P:.*]]: tensor<?x32xf32>, %[[O:.*]]: tensor<64x32xf32>)
func.func @per_layer_gate(%x: tensor<?x64xf32>, %gate: tensor<32x64xf32>, %embedded: tensor<?x32xf32>, %out: tensor<64x32xf32>) {
  // CHECK: flow.per_layer_gate %[[X]], %[[G]], %[[P]], %[[O]] : tensor<?x64xf32>, tensor<32x64xf32>, tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  %y = flow.per_layer_gate %x, %gate, %embedded, %out : tensor<?x64xf32>, tensor<32x64xf32>, tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  return
}

// CHECK-LABEL: @quantized
func.func @quantized(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %g: tensor<32x64xf32, #flow.panels<i8, block = 32>>, %p: tensor<1x32xf32>, %o: tensor<96x32xf32, #flow.panels<bf16>>) {
  // CHECK: hidden(#flow.bf16_rows) : tensor<1x64xf32, #flow.quantized_rows<block = 16>>,
  %y = flow.per_layer_gate %x, %g, %p, %o hidden(#flow.bf16_rows) : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<32x64xf32, #flow.panels<i8, block = 32>>, tensor<1x32xf32>, tensor<96x32xf32, #flow.panels<bf16>> -> tensor<1x96xf32>
  return
}
