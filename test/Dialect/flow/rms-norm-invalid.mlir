// RUN: flow-opt %s --split-input-file --verify-diagnostics

// rms_norm (C1)
func.func @open_width(%x: tensor<4x?xf32>) {
  // expected-error @+1 {{(C1): the last dimension of input must be static and positive, got 'tensor<4x?xf32>'}}
  %y = flow.rms_norm %x : tensor<4x?xf32>
  return
}

// -----

// rms_norm (C1)
func.func @no_dimension(%x: tensor<f32>) {
  // expected-error @+1 {{(C1): the last dimension of input must be static and positive, got 'tensor<f32>'}}
  %y = flow.rms_norm %x : tensor<f32>
  return
}

// -----

// rms_norm (C1)
func.func @no_element(%x: tensor<4x0xf32>) {
  // expected-error @+1 {{(C1): the last dimension of input must be static and positive, got 'tensor<4x0xf32>'}}
  %y = flow.rms_norm %x : tensor<4x0xf32>
  return
}

// -----

// rms_norm (C2)
func.func @other_result(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{(C2): the norm must have the type of its rows, or of f32 an encoding more, got 'tensor<4x8xf32>' -> 'tensor<4x8xbf16>'}}
  %y = flow.rms_norm %x : tensor<4x8xf32> -> tensor<4x8xbf16>
  return
}

// -----

// rms_norm (C2)
func.func @laid_out_bf16(%x: tensor<4x8xbf16>) {
  // expected-error @+1 {{(C2): the norm must have the type of its rows, or of f32 an encoding more, got 'tensor<4x8xbf16>' -> 'tensor<4x8xf32, #flow.bf16_rows>'}}
  %y = flow.rms_norm %x : tensor<4x8xbf16> -> tensor<4x8xf32, #flow.bf16_rows>
  return
}

// -----

// rms_norm (C2)
func.func @more_rows(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{(C2): the norm must have the type of its rows, or of f32 an encoding more, got 'tensor<4x8xf32>' -> 'tensor<5x8xf32, #flow.bf16_rows>'}}
  %y = flow.rms_norm %x : tensor<4x8xf32> -> tensor<5x8xf32, #flow.bf16_rows>
  return
}

// -----

// rms_norm (C2)
func.func @panels_are_no_rows(%x: tensor<32x8xf32>) {
  // expected-error @+1 {{result #0 must be ranked tensor of f32, bf16 or f16 values without encoding or in #flow.quantized_rows or #flow.bf16_rows}}
  %y = flow.rms_norm %x : tensor<32x8xf32> -> tensor<32x8xf32, #flow.panels<f32>>
  return
}

// -----

// rms_norm (C3)
func.func @short_weight(%x: tensor<4x8xf32>, %w: tensor<7xf32>) {
  // expected-error @+1 {{(C3): weight must have shape [8], got 'tensor<7xf32>'}}
  %y = flow.rms_norm %x scale %w : tensor<4x8xf32>, tensor<7xf32>
  return
}

// -----

// rms_norm (C4)
func.func @zero_eps(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{(C4): eps must be finite and positive, got 0}}
  %y = flow.rms_norm %x eps 0.0 : tensor<4x8xf32>
  return
}

// -----

// rms_norm (C4)
func.func @negative_eps(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{(C4): eps must be finite and positive, got -1}}
  %y = flow.rms_norm %x eps -1.0 : tensor<4x8xf32>
  return
}
