// RUN: flow-opt %s --split-input-file --verify-diagnostics

// moe (C1)
func.func @too_many(%x: tensor<?x8xf32>, %e: tensor<?x3xi32>, %s: tensor<?x3xf32>, %g: tensor<8x8xf32>, %d: tensor<16x4xf32>) {
  // expected-error @+1 {{(C1): experts and shares must be [T, k] for the T of the rows and 0 < k <= 2, got}}
  %y = flow.moe %x to %e by %s, %g, %g, %d : tensor<?x8xf32>, tensor<?x3xi32>, tensor<8x8xf32>, tensor<16x4xf32> -> tensor<?x8xf32>
  return
}

// -----

// moe (C1)
func.func @other_rows(%x: tensor<4x8xf32>, %e: tensor<5x2xi32>, %s: tensor<5x2xf32>, %g: tensor<8x8xf32>, %d: tensor<16x4xf32>) {
  // expected-error @+1 {{(C1): experts and shares must be [T, k] for the T of the rows and 0 < k <= 2, got}}
  %y = flow.moe %x to %e by %s, %g, %g, %d : tensor<4x8xf32>, tensor<5x2xi32>, tensor<8x8xf32>, tensor<16x4xf32> -> tensor<4x8xf32>
  return
}

// -----

// moe (C2)
func.func @depths(%x: tensor<?x8xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<8x6xf32>, %d: tensor<16x4xf32>) {
  // expected-error @+1 {{(C2): [T, c] x [E * F, c], [E * d, F] must give [T, d], got}}
  %y = flow.moe %x to %e by %s, %g, %g, %d : tensor<?x8xf32>, tensor<?x2xi32>, tensor<8x6xf32>, tensor<16x4xf32> -> tensor<?x8xf32>
  return
}

// -----

// moe (C2)
func.func @experts(%x: tensor<?x8xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<12x8xf32>, %d: tensor<16x4xf32>) {
  // expected-error @+1 {{(C2): [T, c] x [E * F, c], [E * d, F] must give [T, d], got}}
  %y = flow.moe %x to %e by %s, %g, %g, %d : tensor<?x8xf32>, tensor<?x2xi32>, tensor<12x8xf32>, tensor<16x4xf32> -> tensor<?x8xf32>
  return
}

// -----

// moe (C2)
func.func @part_of_an_expert(%x: tensor<?x8xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<8x8xf32>, %d: tensor<17x4xf32>) {
  // expected-error @+1 {{(C2): [T, c] x [E * F, c], [E * d, F] must give [T, d], got}}
  %y = flow.moe %x to %e by %s, %g, %g, %d : tensor<?x8xf32>, tensor<?x2xi32>, tensor<8x8xf32>, tensor<17x4xf32> -> tensor<?x8xf32>
  return
}

// -----

// moe (C2)
func.func @gate_and_up(%x: tensor<?x8xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<8x8xf32>, %u: tensor<8x8xbf16>, %d: tensor<16x4xf32>) {
  // expected-error @+1 {{(C2): [T, c] x [E * F, c], [E * d, F] must give [T, d], got}}
  %y = "flow.moe"(%x, %e, %s, %g, %u, %d) : (tensor<?x8xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x8xf32>, tensor<8x8xbf16>, tensor<16x4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// moe (C2)
func.func @open_down(%x: tensor<?x8xf32>, %e: tensor<?x2xi32>, %s: tensor<?x2xf32>, %g: tensor<8x8xf32>, %d: tensor<?x4xf32>) {
  // expected-error @+1 {{(C2): [T, c] x [E * F, c], [E * d, F] must give [T, d], got}}
  %y = flow.moe %x to %e by %s, %g, %g, %d : tensor<?x8xf32>, tensor<?x2xi32>, tensor<8x8xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
  return
}

// -----

// moe (C2)
func.func @rows(%x: tensor<4x8xf32>, %e: tensor<4x2xi32>, %s: tensor<4x2xf32>, %g: tensor<8x8xf32>, %d: tensor<16x4xf32>) {
  // expected-error @+1 {{(C2): [T, c] x [E * F, c], [E * d, F] must give [T, d], got}}
  %y = flow.moe %x to %e by %s, %g, %g, %d : tensor<4x8xf32>, tensor<4x2xi32>, tensor<8x8xf32>, tensor<16x4xf32> -> tensor<3x8xf32>
  return
}
