// RUN: flow-opt %s --split-input-file --verify-diagnostics

// grouped_mlp (C1)
func.func @too_many(%x: tensor<?x8xf32>, %e: tensor<?x3xi32>, %s: tensor<?x3xf32>, %g: tensor<64x8xf32>, %d: tensor<16x16xf32>) {
  // expected-error @+1 {{(C1): experts and shares must be [T, k] for the T of the rows and 0 < k <= 2, got}}
  %y = flow.grouped_mlp %x to %e by %s, %g, %d : tensor<?x8xf32>, tensor<?x3xi32>, tensor<64x8xf32>, tensor<16x16xf32> -> tensor<?x8xf32>
  return
}

// -----

// grouped_mlp (C2)
func.func @half_gate_up(%x: tensor<?x8xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<32x8xf32>, %d: tensor<16x16xf32>) {
  // expected-error @+1 {{(C2): [T, c] x [E * 2 F, c], [E * d, F] must give [T, d] with F a multiple of 16, got}}
  %y = flow.grouped_mlp %x to %e by %s, %g, %d : tensor<?x8xf32>, tensor<?x2xi32>, tensor<32x8xf32>, tensor<16x16xf32> -> tensor<?x8xf32>
  return
}

// -----

// grouped_mlp (C2)
func.func @broken_interleave(%x: tensor<?x8xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<32x8xf32>, %d: tensor<16x8xf32>) {
  // expected-error @+1 {{(C2): [T, c] x [E * 2 F, c], [E * d, F] must give [T, d] with F a multiple of 16, got}}
  %y = flow.grouped_mlp %x to %e by %s, %g, %d : tensor<?x8xf32>, tensor<?x2xi32>, tensor<32x8xf32>, tensor<16x8xf32> -> tensor<?x8xf32>
  return
}

// -----

// grouped_mlp (C2)
func.func @open_result(%x: tensor<?x8xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<64x8xf32>, %d: tensor<16x16xf32>) {
  // expected-error @+1 {{(C2): [T, c] x [E * 2 F, c], [E * d, F] must give [T, d] with F a multiple of 16, got}}
  %y = flow.grouped_mlp %x to %e by %s, %g, %d : tensor<?x8xf32>, tensor<?x2xi32>, tensor<64x8xf32>, tensor<16x16xf32> -> tensor<?x?xf32>
  return
}

// -----

// grouped_mlp (C3)
func.func @plain_input(%x: tensor<?x64xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<64x64xf32, #flow.panels<i8, block = 32>>, %d: tensor<128x16xf32>) {
  // expected-error @+1 {{(C3): rows without encoding meet f32 panels}}
  %y = flow.grouped_mlp %x to %e by %s, %g, %d : tensor<?x64xf32>, tensor<?x2xi32>, tensor<64x64xf32, #flow.panels<i8, block = 32>>, tensor<128x16xf32> -> tensor<?x64xf32>
  return
}

// -----

// grouped_mlp (C3)
func.func @plain_hidden(%x: tensor<?x64xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<64x64xf32>, %d: tensor<128x16xf32, #flow.panels<bf16>>) {
  // expected-error @+1 {{(C3): rows without encoding meet f32 panels}}
  %y = flow.grouped_mlp %x to %e by %s, %g, %d : tensor<?x64xf32>, tensor<?x2xi32>, tensor<64x64xf32>, tensor<128x16xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  return
}
