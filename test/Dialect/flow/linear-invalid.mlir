// RUN: flow-opt %s --split-input-file --verify-diagnostics

// linear (C1)
func.func @f(%x: tensor<?x64xf32>, %w: tensor<128x32xf32>) {
  // expected-error @+1 {{(C1): [T, K] x [N, K] must give [T, N]}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x32xf32> -> tensor<?x128xf32>
  return
}

// -----

// linear (C1)
func.func @f(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>) {
  // expected-error @+1 {{(C1): [T, K] x [N, K] must give [T, N]}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x64xf32>
  return
}

// -----

// linear (C1)
func.func @f(%x: tensor<4x64xf32>, %w: tensor<128x64xf32>) {
  // expected-error @+1 {{(C1): [T, K] x [N, K] must give [T, N]}}
  %y = flow.linear %x, %w : tensor<4x64xf32>, tensor<128x64xf32> -> tensor<5x128xf32>
  return
}

// -----

// linear (C2)
func.func @f(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32>>) {
  // expected-error @+1 {{(C2): quantised rows and i8 panels of the same block or twice it must meet, got rows without encoding}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  return
}

// -----

// linear (C2)
func.func @f(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<128x64xf32, #flow.panels<i8, block = 16>>) {
  // expected-error @+1 {{(C2): quantised rows and i8 panels of the same block or twice it must meet}}
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 16>> -> tensor<?x128xf32>
  return
}

// -----

// linear (C2)
func.func @f(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<128x64xf32, #flow.panels<f32>>) {
  // expected-error @+1 {{(C2): quantised rows and i8 panels of the same block or twice it must meet}}
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<f32>> -> tensor<?x128xf32>
  return
}
