// RUN: flow-opt %s --split-input-file --verify-diagnostics

// per_layer_gate (C1)
func.func @depths(%x: tensor<?x64xf32>, %g: tensor<32x48xf32>, %p: tensor<?x32xf32>, %o: tensor<64x32xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [P, d], [T, P], [e, P] must give [T, e], got}}
  %y = flow.per_layer_gate %x, %g, %p, %o : tensor<?x64xf32>, tensor<32x48xf32>, tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  return
}

// -----

// per_layer_gate (C1)
func.func @embedded_width(%x: tensor<?x64xf32>, %g: tensor<32x64xf32>, %p: tensor<?x16xf32>, %o: tensor<64x32xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [P, d], [T, P], [e, P] must give [T, e], got}}
  %y = flow.per_layer_gate %x, %g, %p, %o : tensor<?x64xf32>, tensor<32x64xf32>, tensor<?x16xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  return
}

// -----

// per_layer_gate (C1)
func.func @output_depth(%x: tensor<?x64xf32>, %g: tensor<32x64xf32>, %p: tensor<?x32xf32>, %o: tensor<64x16xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [P, d], [T, P], [e, P] must give [T, e], got}}
  %y = flow.per_layer_gate %x, %g, %p, %o : tensor<?x64xf32>, tensor<32x64xf32>, tensor<?x32xf32>, tensor<64x16xf32> -> tensor<?x64xf32>
  return
}

// -----

// per_layer_gate (C1)
func.func @columns(%x: tensor<?x64xf32>, %g: tensor<32x64xf32>, %p: tensor<?x32xf32>, %o: tensor<64x32xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [P, d], [T, P], [e, P] must give [T, e], got}}
  %y = flow.per_layer_gate %x, %g, %p, %o : tensor<?x64xf32>, tensor<32x64xf32>, tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x32xf32>
  return
}

// -----

// per_layer_gate (C1)
func.func @rows(%x: tensor<3x64xf32>, %g: tensor<32x64xf32>, %p: tensor<4x32xf32>, %o: tensor<64x32xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [P, d], [T, P], [e, P] must give [T, e], got}}
  %y = flow.per_layer_gate %x, %g, %p, %o : tensor<3x64xf32>, tensor<32x64xf32>, tensor<4x32xf32>, tensor<64x32xf32> -> tensor<3x64xf32>
  return
}

// -----

// per_layer_gate (C1)
func.func @open_weight(%x: tensor<?x64xf32>, %g: tensor<?x64xf32>, %p: tensor<?x?xf32>, %o: tensor<64x32xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [P, d], [T, P], [e, P] must give [T, e], got}}
  %y = flow.per_layer_gate %x, %g, %p, %o : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x?xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  return
}

// -----

// per_layer_gate (C2)
func.func @plain_input(%x: tensor<?x64xf32>, %g: tensor<32x64xf32, #flow.panels<bf16>>, %p: tensor<?x32xf32>, %o: tensor<64x32xf32>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels}}
  %y = flow.per_layer_gate %x, %g, %p, %o : tensor<?x64xf32>, tensor<32x64xf32, #flow.panels<bf16>>, tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  return
}

// -----

// per_layer_gate (C2)
func.func @plain_hidden(%x: tensor<?x64xf32>, %g: tensor<32x64xf32>, %p: tensor<?x32xf32>, %o: tensor<64x32xf32, #flow.panels<bf16>>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels}}
  %y = flow.per_layer_gate %x, %g, %p, %o : tensor<?x64xf32>, tensor<32x64xf32>, tensor<?x32xf32>, tensor<64x32xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  return
}
