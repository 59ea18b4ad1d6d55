// RUN: flow-opt %s --split-input-file --verify-diagnostics

// router (C1)
func.func @depths(%x: tensor<?x8xf32>, %w: tensor<4x6xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{(C1): [T, c] x [E, c] must be static but for T}}
  %e, %p = flow.router %x, %w scale %s factor 1.0 : tensor<?x8xf32>, tensor<4x6xf32>, tensor<4xf32> -> tensor<?x2xi32>
  return
}

// -----

// router (C1)
func.func @open_weight(%x: tensor<?x8xf32>, %w: tensor<?x8xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{(C1): [T, c] x [E, c] must be static but for T}}
  %e, %p = flow.router %x, %w scale %s factor 1.0 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<4xf32> -> tensor<?x2xi32>
  return
}

// -----

// router (C1)
func.func @scale_of_others(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %s: tensor<8xf32>) {
  // expected-error @+1 {{(C1): there must be a scale for each expert}}
  %e, %p = flow.router %x, %w scale %s factor 1.0 : tensor<?x8xf32>, tensor<4x8xf32>, tensor<8xf32> -> tensor<?x2xi32>
  return
}

// -----

// router (C1)
func.func @too_many(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{(C1): experts and shares must be [T, k] for the T of the rows and 0 < k <= 4, got}}
  %e, %p = flow.router %x, %w scale %s factor 1.0 : tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<?x5xi32>
  return
}

// -----

// router (C2)
func.func @negative_factor(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{(C2): factor must be finite and positive}}
  %e, %p = flow.router %x, %w scale %s factor -1.0 : tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<?x2xi32>
  return
}

// -----

// router (C3)
func.func @plain_rows(%x: tensor<?x64xf32>, %w: tensor<32x64xf32, #flow.panels<bf16>>, %s: tensor<32xf32>) {
  // expected-error @+1 {{(C3): rows without encoding meet f32 panels}}
  %e, %p = flow.router %x, %w scale %s factor 1.0 : tensor<?x64xf32>, tensor<32x64xf32, #flow.panels<bf16>>, tensor<32xf32> -> tensor<?x2xi32>
  return
}
