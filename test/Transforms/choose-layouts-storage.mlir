// RUN: flow-opt %s --flow-plan-numerics --flow-choose-layouts --split-input-file | FileCheck %s

// The narrowest layout that holds the storage.

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage f32
}
// CHECK-LABEL: @f32
func.func @f32(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<f32>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage bf16
}
// CHECK-LABEL: @bf16
func.func @bf16(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<bf16>
  // CHECK: flow.quantize_rows {{.*}} -> tensor<?x256xf32, #flow.bf16_rows>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage q8_0
}
// CHECK-LABEL: @q8_0
func.func @q8_0(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 32>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage q4_0
}
// CHECK-LABEL: @q4_0
func.func @q4_0(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 32, bits = 4, offset = 8>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage q5_0
}
// CHECK-LABEL: @q5_0
func.func @q5_0(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 32, bits = 5, offset = 16>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage iq4_nl
}
// CHECK-LABEL: @iq4_nl
func.func @iq4_nl(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 32>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage q4_1
}
// CHECK-LABEL: @q4_1
func.func @q4_1(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 32, min = true, bits = 4, offset = 0>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage q5_1
}
// CHECK-LABEL: @q5_1
func.func @q5_1(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 32, min = true, bits = 5, offset = 0>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage q2_k
}
// CHECK-LABEL: @q2_k
func.func @q2_k(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 16, scale = f32, min = true, bits = 4, offset = 0>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage q3_k
}
// CHECK-LABEL: @q3_k
func.func @q3_k(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 16, scale = f32, bits = 4, offset = 8>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage q4_k
}
// CHECK-LABEL: @q4_k
func.func @q4_k(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 32, scale = f32, min = true, bits = 4, offset = 0>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage q5_k
}
// CHECK-LABEL: @q5_k
func.func @q5_k(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 32, scale = f32, min = true, bits = 5, offset = 0>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64x256xf32> storage q6_k
}
// CHECK-LABEL: @q6_k
func.func @q6_k(%x: tensor<?x256xf32>) -> tensor<?x64xf32> {
  // CHECK: #flow.panels<i8, block = 16, scale = f32, bits = 6, offset = 32>
  %w = flow.weight_ref @m::@w : tensor<64x256xf32>
  %y = flow.linear %x, %w : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
