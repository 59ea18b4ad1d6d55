// RUN: flow-opt %s --split-input-file --verify-diagnostics

// geglu (C1)
func.func @shorter_up(%g: tensor<4x8xf32>, %u: tensor<4x9xf32>) {
  // expected-error @+1 {{all of {gate, up, result} have same type}}
  %h = "flow.geglu"(%g, %u) : (tensor<4x8xf32>, tensor<4x9xf32>) -> tensor<4x8xf32>
  return
}

// -----

// geglu (C1)
func.func @other_result(%g: tensor<4x8xf32>) {
  // expected-error @+1 {{all of {gate, up, result} have same type}}
  %h = "flow.geglu"(%g, %g) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xbf16>
  return
}
