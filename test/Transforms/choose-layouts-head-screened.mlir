// RUN: flow-opt %s --flow-plan-numerics --flow-choose-layouts | FileCheck %s

// A head of which a step asks for candidates alone has its leading bits apart:
// 5 for a greedy choice, in all steps alike, 6 for more candidates.
flow.model @m <hidden = 64, vocab = 4096, positions = 256> {
  flow.weight @greedy : tensor<4096x64xf32> storage q8_0
  flow.weight @best : tensor<4096x64xf32> storage q8_0
  flow.weight @five : tensor<4096x64xf32> storage q5_0
  flow.weight @half : tensor<4096x64xf32> storage f16
}

// CHECK-LABEL: func.func @greedy
// CHECK: flow.weight_ref @m::@greedy : tensor<4096x64xf32, #flow.panels<i8, block = 32, leading = 5>>
func.func @greedy(%x: tensor<1x64xf32>) -> (tensor<1x1xf32>, tensor<1x1xi32>) {
  %w = flow.weight_ref @m::@greedy : tensor<4096x64xf32>
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32>, tensor<4096x64xf32> -> tensor<1x1xf32>
  return %v, %i : tensor<1x1xf32>, tensor<1x1xi32>
}

// CHECK-LABEL: func.func @greedy_too
// CHECK: flow.weight_ref @m::@greedy : tensor<4096x64xf32, #flow.panels<i8, block = 32, leading = 5>>
func.func @greedy_too(%x: tensor<1x64xf32>) -> (tensor<1x1xf32>, tensor<1x1xi32>) {
  %w = flow.weight_ref @m::@greedy : tensor<4096x64xf32>
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32>, tensor<4096x64xf32> -> tensor<1x1xf32>
  return %v, %i : tensor<1x1xf32>, tensor<1x1xi32>
}

// CHECK-LABEL: func.func @best
// CHECK: flow.weight_ref @m::@best : tensor<4096x64xf32, #flow.panels<i8, block = 32, leading = 6>>
func.func @best(%x: tensor<1x64xf32>) -> (tensor<1x64xf32>, tensor<1x64xi32>) {
  %w = flow.weight_ref @m::@best : tensor<4096x64xf32>
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32>, tensor<4096x64xf32> -> tensor<1x64xf32>
  return %v, %i : tensor<1x64xf32>, tensor<1x64xi32>
}

// Weights of fewer bits, and floats, have none to leave out.
// CHECK-LABEL: func.func @fewer
// CHECK: flow.weight_ref @m::@five : tensor<4096x64xf32, #flow.panels<i8, block = 32, bits = 5, offset = 16>>
// CHECK: flow.weight_ref @m::@half : tensor<4096x64xf32, #flow.panels<f32>>
func.func @fewer(%x: tensor<1x64xf32>) -> (tensor<1x1xf32>, tensor<1x1xf32>) {
  %w = flow.weight_ref @m::@five : tensor<4096x64xf32>
  %h = flow.weight_ref @m::@half : tensor<4096x64xf32>
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32>, tensor<4096x64xf32> -> tensor<1x1xf32>
  %u, %j = flow.lm_head_top_k %x, %h : tensor<1x64xf32>, tensor<4096x64xf32> -> tensor<1x1xf32>
  return %v, %u : tensor<1x1xf32>, tensor<1x1xf32>
}
