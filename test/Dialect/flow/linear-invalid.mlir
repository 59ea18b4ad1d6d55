// RUN: flow-opt %s --split-input-file --verify-diagnostics

// linear (C1)
func.func @depths(%x: tensor<?x64xf32>, %w: tensor<128x32xf32>) {
  // expected-error @+1 {{(C1): [T, K] x [N, K] must give [T, N], got 'tensor<?x64xf32>' x 'tensor<128x32xf32>' -> 'tensor<?x128xf32>'}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x32xf32> -> tensor<?x128xf32>
  return
}

// -----

// linear (C1)
func.func @columns(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>) {
  // expected-error @+1 {{(C1): [T, K] x [N, K] must give [T, N], got }}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x64xf32>
  return
}

// -----

// linear (C1)
func.func @rows(%x: tensor<4x64xf32>, %w: tensor<128x64xf32>) {
  // expected-error @+1 {{(C1): [T, K] x [N, K] must give [T, N], got }}
  %y = flow.linear %x, %w : tensor<4x64xf32>, tensor<128x64xf32> -> tensor<5x128xf32>
  return
}

// -----

// linear (C1)
func.func @open_weight(%x: tensor<4x?xf32>, %w: tensor<128x?xf32>) {
  // expected-error @+1 {{(C1): [T, K] x [N, K] must give [T, N], got }}
  %y = flow.linear %x, %w : tensor<4x?xf32>, tensor<128x?xf32> -> tensor<4x128xf32>
  return
}

// -----

// linear (C2)
func.func @plain_rows(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32>>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows without encoding}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  return
}

// -----

// linear (C2)
func.func @coarser_rows(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<128x64xf32, #flow.panels<i8, block = 16>>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows #flow.quantized_rows<block = 32>}}
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 16>> -> tensor<?x128xf32>
  return
}

// -----

// linear (C2)
func.func @f32_panels(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<128x64xf32, #flow.panels<f32>>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows #flow.quantized_rows<block = 32>}}
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<f32>> -> tensor<?x128xf32>
  return
}

// -----

// linear (C2)
func.func @plain_weight(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<128x64xf32>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows #flow.quantized_rows<block = 32>}}
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32> -> tensor<?x128xf32>
  return
}

// -----

// linear (C2)
func.func @rows_in_panels(%x: tensor<32x64xf32, #flow.panels<f32>>, %w: tensor<128x64xf32>) {
  // expected-error @+1 {{operand #0 must be 2D tensor of f32, bf16 or f16 values without encoding or in #flow.quantized_rows or #flow.bf16_rows}}
  %y = flow.linear %x, %w : tensor<32x64xf32, #flow.panels<f32>>, tensor<128x64xf32> -> tensor<32x128xf32>
  return
}

// -----

// linear (C2)
func.func @weight_in_rows(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.quantized_rows<block = 32>>) {
  // expected-error @+1 {{operand #1 must be 2D tensor of f32, bf16 or f16 values without encoding or in #flow.panels or #flow.weight_blocks}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32, #flow.quantized_rows<block = 32>> -> tensor<?x128xf32>
  return
}

// -----

// linear (C2)
func.func @bf16_rows_and_f32(%x: tensor<?x64xf32, #flow.bf16_rows>, %w: tensor<128x64xf32, #flow.panels<f32>>) {
  // expected-error @+1 {{got rows #flow.bf16_rows and 'tensor<128x64xf32, #flow.panels<f32>>'}}
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<f32>> -> tensor<?x128xf32>
  return
}

// -----

// linear (C2)
func.func @f32_rows_and_bf16(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<bf16>>) {
  // expected-error @+1 {{got rows without encoding and 'tensor<128x64xf32, #flow.panels<bf16>>'}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
  return
}
