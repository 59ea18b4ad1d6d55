// RUN: flow-opt %s --flow-choose-layouts --split-input-file | FileCheck %s

// A derived weight gets the narrowest layout that holds all its sources.
flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @a : tensor<32x256xf32> storage q8_0
  flow.weight @b : tensor<32x256xf32> storage q4_0
  flow.derived_weight @ab : tensor<64x256xf32> = interleave [@a, @b]
}
// CHECK-LABEL: @q8_0_and_q4_0
func.func @q8_0_and_q4_0(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.weight_ref @m::@ab : tensor<64x256xf32, #flow.panels<i8, block = 32>>
  // CHECK: flow.quantize_rows {{.*}} #flow.quantized_rows<block = 16>
  %w = flow.weight_ref @m::@ab : tensor<64x256xf32>
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @a : tensor<32x256xf32> storage q8_0
  flow.weight @b : tensor<32x256xf32> storage q5_1
  flow.derived_weight @ab : tensor<64x256xf32> = interleave [@a, @b]
}
// CHECK-LABEL: @q8_0_and_q5_1
func.func @q8_0_and_q5_1(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.weight_ref @m::@ab : tensor<64x256xf32, #flow.panels<i8, block = 32, min = true>>
  // CHECK: flow.quantize_rows {{.*}} #flow.quantized_rows<block = 16>
  %w = flow.weight_ref @m::@ab : tensor<64x256xf32>
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @a : tensor<32x256xf32> storage q4_1
  flow.weight @b : tensor<32x256xf32> storage q6_k
  flow.derived_weight @ab : tensor<64x256xf32> = interleave [@a, @b]
}
// CHECK-LABEL: @q4_1_and_q6_k
func.func @q4_1_and_q6_k(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.weight_ref @m::@ab : tensor<64x256xf32, #flow.panels<i8, block = 16, scale = f32, min = true, bits = 6, offset = 32>>
  // CHECK: flow.quantize_rows {{.*}} #flow.quantized_rows<block = 16>
  %w = flow.weight_ref @m::@ab : tensor<64x256xf32>
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @a : tensor<32x256xf32> storage q6_k
  flow.weight @b : tensor<32x256xf32> storage q8_0
  flow.derived_weight @ab : tensor<64x256xf32> = interleave [@a, @b]
}
// CHECK-LABEL: @q6_k_and_q8_0
func.func @q6_k_and_q8_0(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.weight_ref @m::@ab : tensor<64x256xf32, #flow.panels<i8, block = 16, scale = f32>>
  // CHECK: flow.quantize_rows {{.*}} #flow.quantized_rows<block = 16>
  %w = flow.weight_ref @m::@ab : tensor<64x256xf32>
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @a : tensor<32x256xf32> storage q4_k
  flow.weight @b : tensor<32x256xf32> storage q8_0
  flow.derived_weight @ab : tensor<64x256xf32> = interleave [@a, @b]
}
// CHECK-LABEL: @q4_k_and_q8_0
func.func @q4_k_and_q8_0(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.weight_ref @m::@ab : tensor<64x256xf32, #flow.panels<i8, block = 32, scale = f32, min = true>>
  // CHECK: flow.quantize_rows {{.*}} #flow.quantized_rows<block = 16>
  %w = flow.weight_ref @m::@ab : tensor<64x256xf32>
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @a : tensor<32x256xf32> storage q6_k
  flow.weight @b : tensor<32x256xf32> storage q5_k
  flow.derived_weight @ab : tensor<64x256xf32> = interleave [@a, @b]
}
// CHECK-LABEL: @q6_k_and_q5_k
func.func @q6_k_and_q5_k(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.weight_ref @m::@ab : tensor<64x256xf32, #flow.panels<i8, block = 16, scale = f32, min = true, bits = 6, offset = 32>>
  // CHECK: flow.quantize_rows {{.*}} #flow.quantized_rows<block = 16>
  %w = flow.weight_ref @m::@ab : tensor<64x256xf32>
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @a : tensor<32x256xf32> storage q2_k
  flow.weight @b : tensor<32x256xf32> storage q3_k
  flow.derived_weight @ab : tensor<64x256xf32> = interleave [@a, @b]
}
// CHECK-LABEL: @q2_k_and_q3_k
func.func @q2_k_and_q3_k(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.weight_ref @m::@ab : tensor<64x256xf32, #flow.panels<i8, block = 16, scale = f32, min = true, bits = 4, offset = 8>>
  %w = flow.weight_ref @m::@ab : tensor<64x256xf32>
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// -8 to 15: one bit more than either.
flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @a : tensor<32x256xf32> storage q4_0
  flow.weight @b : tensor<32x256xf32> storage q4_1
  flow.derived_weight @ab : tensor<64x256xf32> = interleave [@a, @b]
}
// CHECK-LABEL: @q4_0_and_q4_1
func.func @q4_0_and_q4_1(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: flow.weight_ref @m::@ab : tensor<64x256xf32, #flow.panels<i8, block = 32, min = true, bits = 5, offset = 16>>
  %w = flow.weight_ref @m::@ab : tensor<64x256xf32>
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
