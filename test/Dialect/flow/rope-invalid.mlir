// RUN: flow-opt %s --split-input-file --verify-diagnostics

// rope (C1)
func.func @an_angle_an_element(%q: tensor<?x2x32xf32>, %a: tensor<?x32x2xf32>) {
  // expected-error @+1 {{(C1): angles must be [T, D/2, 2] of the input's T and its static, positive and even D, got 'tensor<?x32x2xf32>' for 'tensor<?x2x32xf32>'}}
  %r = flow.rope %q, %a : tensor<?x2x32xf32>, tensor<?x32x2xf32>
  return
}

// -----

// rope (C1)
func.func @cosines_only(%q: tensor<?x2x32xf32>, %a: tensor<?x16x1xf32>) {
  // expected-error @+1 {{(C1): angles must be [T, D/2, 2] of the input's T and its static, positive and even D, got }}
  %r = flow.rope %q, %a : tensor<?x2x32xf32>, tensor<?x16x1xf32>
  return
}

// -----

// rope (C1)
func.func @rows(%q: tensor<4x2x32xf32>, %a: tensor<5x16x2xf32>) {
  // expected-error @+1 {{(C1): angles must be [T, D/2, 2] of the input's T and its static, positive and even D, got }}
  %r = flow.rope %q, %a : tensor<4x2x32xf32>, tensor<5x16x2xf32>
  return
}

// -----

// rope (C1)
func.func @odd_head(%q: tensor<4x2x31xf32>, %a: tensor<4x15x2xf32>) {
  // expected-error @+1 {{(C1): angles must be [T, D/2, 2] of the input's T and its static, positive and even D, got }}
  %r = flow.rope %q, %a : tensor<4x2x31xf32>, tensor<4x15x2xf32>
  return
}

// -----

// rope (C1)
func.func @open_head(%q: tensor<4x2x?xf32>, %a: tensor<4x?x2xf32>) {
  // expected-error @+1 {{(C1): angles must be [T, D/2, 2] of the input's T and its static, positive and even D, got }}
  %r = flow.rope %q, %a : tensor<4x2x?xf32>, tensor<4x?x2xf32>
  return
}

// -----

// rope (C1)
func.func @empty_head(%q: tensor<4x2x0xf32>, %a: tensor<4x0x2xf32>) {
  // expected-error @+1 {{(C1): angles must be [T, D/2, 2] of the input's T and its static, positive and even D, got }}
  %r = flow.rope %q, %a : tensor<4x2x0xf32>, tensor<4x0x2xf32>
  return
}

// -----

// rope (C2)
func.func @other_result(%q: tensor<4x2x32xf32>, %a: tensor<4x16x2xf32>) {
  // expected-error @+1 {{all of {input, result} have same type}}
  %r = "flow.rope"(%q, %a) : (tensor<4x2x32xf32>, tensor<4x16x2xf32>) -> tensor<4x2x32xbf16>
  return
}
