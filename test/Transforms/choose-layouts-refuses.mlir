// RUN: flow-opt %s --flow-choose-layouts --split-input-file --verify-diagnostics

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<33x64xf32>
}
func.func @ragged_rows(%x: tensor<?x64xf32>) -> tensor<?x33xf32> {
  %w = flow.weight_ref @m::@w : tensor<33x64xf32>
  // expected-error @+1 {{has the weight @m::@w of 33 by 64, which cannot be packed in panels of 32 rows}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<33x64xf32> -> tensor<?x33xf32>
  return %y : tensor<?x33xf32>
}

// -----

func.func @computed_weight(%x: tensor<?x64xf32>, %w: tensor<32x64xf32>) -> tensor<?x32xf32> {
  // expected-error @+1 {{reads a weight that is no flow.weight_ref, which cannot be packed}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
