// RUN: flow-opt %s --split-input-file --verify-diagnostics

// A tensor has an encoding only where its op says so.
func.func @rms_norm(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>) {
  // expected-error @+1 {{'flow.rms_norm' op operand #0 must be ranked tensor of f32, bf16 or f16 values without encoding, but got 'tensor<?x64xf32, #flow.quantized_rows<block = 32>>'}}
  %y = flow.rms_norm %x : tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  return
}

// -----

func.func @geglu(%x: tensor<32x64xf32, #flow.panels<f32>>) {
  // expected-error @+1 {{values without encoding, but got}}
  %y = flow.geglu %x, %x : tensor<32x64xf32, #flow.panels<f32>>
  return
}

// -----

func.func @add_rms_norm(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<64xf32>) {
  // expected-error @+1 {{values without encoding, but got}}
  %s, %n = flow.add_rms_norm %x, %x scale %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<64xf32>
  return
}

// -----

func.func @embed(%t: tensor<?xi32>, %e: tensor<32x64xf32, #flow.panels<f32>>) {
  // expected-error @+1 {{operand #1 must be 2D tensor}}
  %x = flow.embed %t, %e scale 8.0 : tensor<?xi32>, tensor<32x64xf32, #flow.panels<f32>> -> tensor<?x64xf32>
  return
}

// -----

func.func @linear_result(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>) {
  // expected-error @+1 {{result #0 must be 2D tensor of f32, bf16 or f16 values without encoding, but got}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32, #flow.quantized_rows<block = 32>>
  return
}

// -----

func.func @lm_head_result(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>) {
  // expected-error @+1 {{result #0 must be 2D tensor of f32, bf16 or f16 values without encoding, but got}}
  %y = flow.lm_head %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32, #flow.quantized_rows<block = 32>>
  return
}

// -----

func.func @gated_mlp_result(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{result #0 must be 2D tensor of f32, bf16 or f16 values without encoding, but got}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  return
}

// -----

func.func @heads_of_another_dialect(%q: tensor<4x2x32xf32, "blocked">, %a: tensor<4x16x2xf32>) {
  // expected-error @+1 {{operand #0 must be 3D tensor of f32, bf16 or f16 values without encoding, but got}}
  %r = flow.rope %q, %a : tensor<4x2x32xf32, "blocked">, tensor<4x16x2xf32>
  return
}
