// RUN: flow-opt %s --split-input-file --verify-diagnostics

// top_k (C1)
func.func @too_many(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{(C1): [T, N] must give [T, k] of the same element type with 0 < k <= N < 2^31, got 'tensor<?x4xf32>' -> 'tensor<?x5xf32>'}}
  %v, %i = flow.top_k %x : tensor<?x4xf32> -> tensor<?x5xf32>
  return
}

// -----

// top_k (C1)
func.func @none(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{(C1): [T, N] must give [T, k]}}
  %v, %i = flow.top_k %x : tensor<?x4xf32> -> tensor<?x0xf32>
  return
}

// -----

// top_k (C1)
func.func @open_choice(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{(C1): [T, N] must give [T, k]}}
  %v, %i = flow.top_k %x : tensor<?x4xf32> -> tensor<?x?xf32>
  return
}

// -----

// top_k (C1)
func.func @open_row(%x: tensor<?x?xf32>) {
  // expected-error @+1 {{(C1): [T, N] must give [T, k]}}
  %v, %i = flow.top_k %x : tensor<?x?xf32> -> tensor<?x4xf32>
  return
}

// -----

// top_k (C1)
func.func @other_rows(%x: tensor<3x4xf32>) {
  // expected-error @+1 {{(C1): [T, N] must give [T, k]}}
  %v, %i = flow.top_k %x : tensor<3x4xf32> -> tensor<2x4xf32>
  return
}

// -----

// top_k (C1)
func.func @other_element(%x: tensor<?x4xbf16>) {
  // expected-error @+1 {{(C1): [T, N] must give [T, k]}}
  %v, %i = flow.top_k %x : tensor<?x4xbf16> -> tensor<?x4xf32>
  return
}

// -----

// top_k (C1)
func.func @no_index(%x: tensor<1x2147483648xf32>) {
  // expected-error @+1 {{(C1): [T, N] must give [T, k]}}
  %v, %i = flow.top_k %x : tensor<1x2147483648xf32> -> tensor<1x4xf32>
  return
}

// -----

// top_k (C2)
func.func @wide_indices(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{(C2): indices are i32 in the shape of values}}
  %v, %i = "flow.top_k"(%x) : (tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x3xi32>)
  return
}
