// RUN: flow-opt %s --split-input-file --verify-diagnostics

// lm_head (C1)
func.func @depths(%x: tensor<?x64xf32>, %t: tensor<512x32xf32>) {
  // expected-error @+1 {{(C1): [T, K] x [N, K] must give [T, N], got }}
  %l = flow.lm_head %x, %t : tensor<?x64xf32>, tensor<512x32xf32> -> tensor<?x512xf32>
  return
}

// -----

// lm_head (C1)
func.func @columns(%x: tensor<?x64xf32>, %t: tensor<512x64xf32>) {
  // expected-error @+1 {{(C1): [T, K] x [N, K] must give [T, N], got }}
  %l = flow.lm_head %x, %t : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x511xf32>
  return
}

// -----

// lm_head (C2)
func.func @plain_table(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %t: tensor<512x64xf32>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows #flow.quantized_rows<block = 32>}}
  %l = flow.lm_head %x, %t : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<512x64xf32> -> tensor<?x512xf32>
  return
}

// -----

// lm_head (C2)
func.func @plain_rows(%x: tensor<?x64xf32>, %t: tensor<512x64xf32, #flow.panels<i8, block = 32>>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows without encoding}}
  %l = flow.lm_head %x, %t : tensor<?x64xf32>, tensor<512x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x512xf32>
  return
}

// -----

// lm_head (C3)
func.func @negative_softcap(%x: tensor<?x64xf32>, %t: tensor<512x64xf32>) {
  // expected-error @+1 {{(C3): softcap must be finite and positive, got -1}}
  %l = flow.lm_head %x, %t softcap -1.0 : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  return
}

// -----

// lm_head (C3)
func.func @zero_softcap(%x: tensor<?x64xf32>, %t: tensor<512x64xf32>) {
  // expected-error @+1 {{(C3): softcap must be finite and positive, got 0}}
  %l = flow.lm_head %x, %t softcap 0.0 : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  return
}
