// RUN: flow-opt %s --flow-choose-layouts=weight-blocks=true --split-input-file | FileCheck %s
// RUN: flow-opt %s --flow-choose-layouts --split-input-file | FileCheck %s --check-prefix=ROUNDED

// Weights that are marked bf16 keep the blocks of their file: 4 bits where all
// quants fit, else 8.
flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @q8_0 : tensor<32x256xf32> storage q8_0
  flow.weight @q4_0 : tensor<32x256xf32> storage q4_0
  flow.weight @q4_1 : tensor<32x256xf32> storage q4_1
  flow.weight @q4_k : tensor<32x256xf32> storage q4_k
  flow.weight @q6_k : tensor<32x256xf32> storage q6_k
  flow.weight @q2_k : tensor<32x256xf32> storage q2_k
  flow.derived_weight @mixed : tensor<64x256xf32> = interleave [@q4_0, @q4_1]
}
// CHECK-LABEL: @storages
// ROUNDED-NOT: weight_blocks
func.func @storages(%x: tensor<?x256xf32>) {
  // CHECK: @m::@q8_0 : tensor<32x256xf32, #flow.weight_blocks<bits = 8>>
  // CHECK: flow.quantize_rows {{.*}} #flow.bf16_rows
  // CHECK: @m::@q4_0 : tensor<32x256xf32, #flow.weight_blocks<bits = 4>>
  // CHECK: @m::@q4_1 : tensor<32x256xf32, #flow.weight_blocks<bits = 4, min = true>>
  // CHECK: @m::@q4_k : tensor<32x256xf32, #flow.weight_blocks<bits = 4, scale = f32, min = true>>
  // CHECK: @m::@q6_k : tensor<32x256xf32, #flow.weight_blocks<bits = 8, block = 16, scale = f32>>
  // CHECK: @m::@q2_k : tensor<32x256xf32, #flow.weight_blocks<bits = 8, block = 16, scale = f32, min = true>>
  // CHECK: @m::@mixed : tensor<64x256xf32, #flow.weight_blocks<bits = 8, min = true>>
  %w0 = flow.weight_ref @m::@q8_0 : tensor<32x256xf32>
  %y0 = flow.linear %x, %w0 {flow.arithmetic = "bf16"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
  %w1 = flow.weight_ref @m::@q4_0 : tensor<32x256xf32>
  %y1 = flow.linear %x, %w1 {flow.arithmetic = "bf16"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
  %w2 = flow.weight_ref @m::@q4_1 : tensor<32x256xf32>
  %y2 = flow.linear %x, %w2 {flow.arithmetic = "bf16"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
  %w3 = flow.weight_ref @m::@q4_k : tensor<32x256xf32>
  %y3 = flow.linear %x, %w3 {flow.arithmetic = "bf16"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
  %w4 = flow.weight_ref @m::@q6_k : tensor<32x256xf32>
  %y4 = flow.linear %x, %w4 {flow.arithmetic = "bf16"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
  %w5 = flow.weight_ref @m::@q2_k : tensor<32x256xf32>
  %y5 = flow.linear %x, %w5 {flow.arithmetic = "bf16"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
  %w6 = flow.weight_ref @m::@mixed : tensor<64x256xf32>
  %y6 = flow.linear %x, %w6 {flow.arithmetic = "bf16"} : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return
}

// -----

// A table that is the head as well is one weight.
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @e : tensor<512x64xf32> storage q8_0
}
// CHECK-LABEL: @tied
func.func @tied(%t: tensor<?xi32>) -> tensor<?x512xf32> {
  // CHECK: flow.weight_ref @m::@e : tensor<512x64xf32, #flow.weight_blocks<bits = 8>>
  // CHECK: flow.embed {{.*}}, tensor<512x64xf32, #flow.weight_blocks<bits = 8>> ->
  // CHECK: flow.lm_head {{.*}}, tensor<512x64xf32, #flow.weight_blocks<bits = 8>> ->
  %e = flow.weight_ref @m::@e : tensor<512x64xf32>
  %x = flow.embed %t, %e scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %y = flow.lm_head %x, %e {flow.arithmetic = "bf16"} : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  return %y : tensor<?x512xf32>
}

// -----

// What is stored as floats is rounded, and so is all of a weight that has such
// a source; what is marked otherwise is packed as marked.
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @e : tensor<512x64xf32> storage bf16
  flow.weight @a : tensor<32x64xf32> storage q8_0
  flow.weight @b : tensor<32x64xf32> storage f16
  flow.derived_weight @ab : tensor<64x64xf32> = concat [@a, @b]
}
// CHECK-LABEL: @floats
// CHECK-NOT: weight_blocks
func.func @floats(%t: tensor<?xi32>) {
  %e = flow.weight_ref @m::@e : tensor<512x64xf32>
  // CHECK: flow.embed {{.*}}, tensor<512x64xf32> ->
  %x = flow.embed %t, %e scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %w = flow.weight_ref @m::@ab : tensor<64x64xf32>
  // CHECK: @m::@ab : tensor<64x64xf32, #flow.panels<bf16>>
  %y = flow.linear %x, %w {flow.arithmetic = "bf16"} : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %a = flow.weight_ref @m::@a : tensor<32x64xf32>
  // CHECK: @m::@a : tensor<32x64xf32, #flow.panels<f32>>
  %z = flow.linear %x, %a {flow.arithmetic = "f32"} : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return
}
