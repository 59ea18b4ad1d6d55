// RUN: flow-opt %s --split-input-file --verify-diagnostics

// scale (C1)
func.func @other_result(%x: tensor<?x64xf32>, %s: tensor<1xf32>) {
  // expected-error @+1 {{failed to verify that all of {input, result} have same type}}
  %y = "flow.scale"(%x, %s) : (tensor<?x64xf32>, tensor<1xf32>) -> tensor<4x64xf32>
  return
}

// -----

// scale (C2)
func.func @a_factor_for_each_column(%x: tensor<?x64xf32>, %s: tensor<64xf32>) {
  // expected-error @+1 {{(C2): factor must have shape [1], got 'tensor<64xf32>'}}
  %y = flow.scale %x by %s : tensor<?x64xf32>, tensor<64xf32>
  return
}
