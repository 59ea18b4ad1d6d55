// RUN: flow-opt %s --split-input-file --verify-diagnostics

// add_rms_norm (C1)
func.func @shorter_branch(%x: tensor<4x8xf32>, %b: tensor<4x9xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{all of {stream, branch, sum} have same type}}
  %s, %n = "flow.add_rms_norm"(%x, %b, %w) {operandSegmentSizes = array<i32: 1, 1, 0, 0, 1>} : (tensor<4x8xf32>, tensor<4x9xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>)
  return
}

// -----

// add_rms_norm (C1)
func.func @open_width(%x: tensor<4x?xf32>, %w: tensor<?xf32>) {
  // expected-error @+1 {{(C1): the last dimension must be static and positive, got 'tensor<4x?xf32>'}}
  %s, %n = flow.add_rms_norm %x, %x scale %w : tensor<4x?xf32>, tensor<?xf32>
  return
}

// -----

// add_rms_norm (C1)
func.func @no_dimension(%x: tensor<f32>, %w: tensor<0xf32>) {
  // expected-error @+1 {{(C1): the last dimension must be static and positive, got 'tensor<f32>'}}
  %s, %n = flow.add_rms_norm %x, %x scale %w : tensor<f32>, tensor<0xf32>
  return
}

// -----

// add_rms_norm (C1)
func.func @other_norm(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{(C1): the norm must have the type of its rows, or of f32 an encoding more, got 'tensor<4x8xf32>' -> 'tensor<4x8xf16>'}}
  %s, %n = flow.add_rms_norm %x, %x scale %w : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf16>
  return
}

// -----

// add_rms_norm (C2)
func.func @long_weight(%x: tensor<4x8xf32>, %w: tensor<9xf32>) {
  // expected-error @+1 {{(C2): weight must have shape [8], got 'tensor<9xf32>'}}
  %s, %n = flow.add_rms_norm %x, %x scale %w : tensor<4x8xf32>, tensor<9xf32>
  return
}

// -----

// add_rms_norm (C2)
func.func @two_weight_types(%x: tensor<4x8xf32>, %b: tensor<8xbf16>, %w: tensor<8xf32>) {
  // expected-error @+1 {{(C2): branch_weight must have the type of weight, 'tensor<8xf32>', got 'tensor<8xbf16>'}}
  %s, %n = "flow.add_rms_norm"(%x, %x, %b, %w) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 1>} : (tensor<4x8xf32>, tensor<4x8xf32>, tensor<8xbf16>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>)
  return
}

// -----

// add_rms_norm (C2)
func.func @long_sum_scale(%x: tensor<4x8xf32>, %c: tensor<8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{(C2): sum_scale must be [1] of the weight's element type, got 'tensor<8xf32>'}}
  %s, %n = "flow.add_rms_norm"(%x, %x, %c, %w) {operandSegmentSizes = array<i32: 1, 1, 0, 1, 1>} : (tensor<4x8xf32>, tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>)
  return
}

// -----

// add_rms_norm (C3)
func.func @zero_eps(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{(C3): eps must be finite and positive, got 0}}
  %s, %n = flow.add_rms_norm %x, %x scale %w eps 0.0 : tensor<4x8xf32>, tensor<8xf32>
  return
}
