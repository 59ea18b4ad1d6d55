// RUN: flow-opt %s --split-input-file --verify-diagnostics

// gated_mlp (C1)
func.func @f(%x: tensor<?x64xf32>, %gu: tensor<128x64xf32>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [2 F, d], [e, F] must give [T, e]}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<128x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C2)
func.func @f(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{(C2): quantised rows and i8 panels of the same block or twice it must meet}}
  %y = flow.gated_mlp %x, %gu, %d hidden <block = 32> : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C2)
func.func @f(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32, #flow.panels<i8, block = 32>>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{(C2): quantised rows and i8 panels of the same block or twice it must meet}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x64xf32, #flow.panels<i8, block = 32>>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}
