// RUN: flow-opt %s --split-input-file --verify-diagnostics

// lm_head (C1)
func.func @f(%x: tensor<?x64xf32>, %t: tensor<512x32xf32>) {
  // expected-error @+1 {{(C1): [T, K] x [N, K] must give [T, N]}}
  %l = flow.lm_head %x, %t : tensor<?x64xf32>, tensor<512x32xf32> -> tensor<?x512xf32>
  return
}

// -----

// lm_head (C2)
func.func @f(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %t: tensor<512x64xf32>) {
  // expected-error @+1 {{(C2): quantised rows and i8 panels of the same block or twice it must meet}}
  %l = flow.lm_head %x, %t : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<512x64xf32> -> tensor<?x512xf32>
  return
}

// -----

// lm_head (C3)
func.func @f(%x: tensor<?x64xf32>, %t: tensor<512x64xf32>) {
  // expected-error @+1 {{(C3): softcap must be finite and positive, got -1}}
  %l = flow.lm_head %x, %t softcap -1.0 : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  return
}
