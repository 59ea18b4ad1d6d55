// RUN: flow-opt %s --flow-plan-numerics --flow-choose-layouts | FileCheck %s

// The fused head is a product like the one that it was made of.
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
}

// CHECK-LABEL: func.func @head
// CHECK-SAME: (%[[X:.*]]: tensor<1x64xf32>)
func.func @head(%x: tensor<1x64xf32>) -> (tensor<1x8xf32>, tensor<1x8xi32>) {
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@embedding : tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 6>>
  // CHECK: %[[R:.*]] = flow.quantize_rows %[[X]] : tensor<1x64xf32> -> tensor<1x64xf32, #flow.quantized_rows<block = 16>>
  // CHECK: flow.lm_head_top_k %[[R]], %[[W]] :
  %w = flow.weight_ref @m::@embedding : tensor<512x64xf32>
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32>, tensor<512x64xf32> -> tensor<1x8xf32>
  return %v, %i : tensor<1x8xf32>, tensor<1x8xi32>
}
