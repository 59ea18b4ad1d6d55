// RUN: flow-opt %s --split-input-file --verify-diagnostics

// embed (C1)
func.func @columns(%t: tensor<?xi32>, %e: tensor<512x64xf32>) {
  // expected-error @+1 {{(C1): the result must be [rows of tokens, columns of table], got 'tensor<?x32xf32>'}}
  %x = flow.embed %t, %e scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x32xf32>
  return
}

// -----

// embed (C1)
func.func @rows(%t: tensor<4xi32>, %e: tensor<512x64xf32>) {
  // expected-error @+1 {{(C1): the result must be [rows of tokens, columns of table], got 'tensor<5x64xf32>'}}
  %x = flow.embed %t, %e scale 8.0 : tensor<4xi32>, tensor<512x64xf32> -> tensor<5x64xf32>
  return
}

// -----

// embed (C2)
func.func @zero_scale(%t: tensor<?xi32>, %e: tensor<512x64xf32>) {
  // expected-error @+1 {{(C2): scale must be finite and positive, got 0}}
  %x = flow.embed %t, %e scale 0.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  return
}

// -----

// embed (C2)
func.func @infinite_scale(%t: tensor<?xi32>, %e: tensor<512x64xf32>) {
  // expected-error @+1 {{(C2): scale must be finite and positive, got INF}}
  %x = flow.embed %t, %e scale 0x7FF0000000000000 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  return
}
