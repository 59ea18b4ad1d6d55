// RUN: flow-opt %s --flow-verify-phase=phase=fused --split-input-file --verify-diagnostics

func.func @no_blocks(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) -> tensor<?x2x32xf32> {
  // expected-error @+1 {{has no key blocks: flow-select-masks must run}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// -----

func.func @linear(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
  // expected-error @+1 {{'flow.linear' op reads a weight without layout}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @head(%x: tensor<1x64xf32>, %w: tensor<512x64xf32>) -> tensor<1x512xf32> {
  // expected-error @+1 {{'flow.lm_head' op reads a weight without layout}}
  %y = flow.lm_head %x, %w : tensor<1x64xf32>, tensor<512x64xf32> -> tensor<1x512xf32>
  return %y : tensor<1x512xf32>
}

// -----

// Both weights of the MLP count.
func.func @mlp(%x: tensor<?x64xf32>, %g: tensor<256x64xf32, #flow.panels<f32>>, %d: tensor<64x128xf32>) -> tensor<?x64xf32> {
  // expected-error @+1 {{'flow.gated_mlp' op reads a weight without layout: flow-choose-layouts must run, got 'tensor<64x128xf32>'}}
  %y = flow.gated_mlp %x, %g, %d : tensor<?x64xf32>, tensor<256x64xf32, #flow.panels<f32>>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// Stages that no fusion took may stay.
func.func @unfused(%x: tensor<?x64xf32>, %w: tensor<64x64xf32, #flow.panels<f32>>) -> tensor<?x64xf32> {
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf32, #flow.panels<f32>> -> tensor<?x64xf32>
  %s = arith.addf %x, %y : tensor<?x64xf32>
  %n = flow.rms_norm %s : tensor<?x64xf32>
  %g = flow.geglu %n, %y : tensor<?x64xf32>
  return %g : tensor<?x64xf32>
}
