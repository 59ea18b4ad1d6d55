// RUN: flow-opt %s --flow-verify-phase=phase=shared --split-input-file --verify-diagnostics

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64xf32>
}
func.func @schedule(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = flow.weight_ref @m::@w : tensor<64xf32>
  // expected-error @+1 {{'flow.rms_norm' op is left in a schedule}}
  %n = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
  return %n : tensor<?x64xf32>
}

// -----

// The function of a class serves layers with other weights, positions and
// caches: it refers to none of the model's.
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
}
func.func @class(%start: index) -> tensor<?x16x2xf32> attributes {flow.class = "layer0"} {
  // expected-error @+1 {{'flow.rope_angles' op is left in the function of a class}}
  %a = flow.rope_angles @m::@local at %start rows %start : tensor<?x16x2xf32>
  return %a : tensor<?x16x2xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64xf32>
}
func.func private @class(tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
func.func @fine(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = flow.weight_ref @m::@w : tensor<64xf32>
  %n = func.call @class(%x, %w) : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %n : tensor<?x64xf32>
}
