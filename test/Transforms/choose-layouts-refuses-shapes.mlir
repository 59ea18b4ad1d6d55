// RUN: flow-opt %s --flow-choose-layouts --split-input-file --verify-diagnostics

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @a : tensor<64x16xf32>
}
// Panels of f32 take rows of any length. This one is packed.
func.func @short_rows(%x: tensor<?x16xf32>) -> tensor<?x64xf32> {
  %w = flow.weight_ref @m::@a : tensor<64x16xf32>
  %y = flow.linear %x, %w : tensor<?x16xf32>, tensor<64x16xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate_up : tensor<96x64xf32> storage q8_0
  flow.weight @down : tensor<48x48xf32>
}
func.func @second_product(%x: tensor<?x64xf32>) -> tensor<?x48xf32> {
  %gu = flow.weight_ref @m::@gate_up : tensor<96x64xf32>
  %d = flow.weight_ref @m::@down : tensor<48x48xf32>
  // expected-error @below {{'flow.gated_mlp' op has the weight @m::@down of 48 by 48, which cannot be packed in panels of 32 rows}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<96x64xf32>, tensor<48x48xf32> -> tensor<?x48xf32>
  return %y : tensor<?x48xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<48x64xf32> storage q8_0
}
func.func @integers_too(%x: tensor<?x64xf32>) -> tensor<?x48xf32> {
  %w = flow.weight_ref @m::@w : tensor<48x64xf32>
  // expected-error @below {{'flow.lm_head' op has the weight @m::@w of 48 by 64, which cannot be packed in panels of 32 rows}}
  %y = flow.lm_head %x, %w {flow.arithmetic = "i8"} : tensor<?x64xf32>, tensor<48x64xf32> -> tensor<?x48xf32>
  return %y : tensor<?x48xf32>
}
