// RUN: flow-opt %s --split-input-file --verify-diagnostics

// rope (C1)
func.func @f(%q: tensor<?x2x32xf32>, %a: tensor<?x32x2xf32>) {
  // expected-error @+1 {{(C1): angles must be [T, D/2, 2]}}
  %r = flow.rope %q, %a : tensor<?x2x32xf32>, tensor<?x32x2xf32>
  return
}

// -----

// rope (C1)
func.func @f(%q: tensor<4x2x32xf32>, %a: tensor<5x16x2xf32>) {
  // expected-error @+1 {{(C1): angles must be [T, D/2, 2]}}
  %r = flow.rope %q, %a : tensor<4x2x32xf32>, tensor<5x16x2xf32>
  return
}

// -----

// rope (C2)
func.func @f(%q: tensor<4x2x32xf32>, %a: tensor<4x16x2xf32>) {
  // expected-error @+1 {{all of {input, result} have same type}}
  %r = "flow.rope"(%q, %a) : (tensor<4x2x32xf32>, tensor<4x16x2xf32>) -> tensor<4x2x32xbf16>
  return
}
