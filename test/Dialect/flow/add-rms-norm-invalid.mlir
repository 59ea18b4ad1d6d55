// RUN: flow-opt %s --split-input-file --verify-diagnostics

// add_rms_norm (C1)
func.func @f(%x: tensor<4x8xf32>, %b: tensor<4x9xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{have same type}}
  %s, %n = "flow.add_rms_norm"(%x, %b, %w) : (tensor<4x8xf32>, tensor<4x9xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>)
  return
}

// -----

// add_rms_norm (C2)
func.func @f(%x: tensor<4x8xf32>, %w: tensor<9xf32>) {
  // expected-error @+1 {{(C2): weights must have the shape of the last dimension}}
  %s, %n = flow.add_rms_norm %x, %x scale %w : tensor<4x8xf32>, tensor<9xf32>
  return
}

// -----

// add_rms_norm (C3)
func.func @f(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{(C3): eps must be finite and positive}}
  %s, %n = flow.add_rms_norm %x, %x scale %w eps 0.0 : tensor<4x8xf32>, tensor<8xf32>
  return
}
