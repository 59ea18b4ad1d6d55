// What the assembly of an op cannot say is a parse error where it stands.
// RUN: flow-opt %s --split-input-file --verify-diagnostics

func.func @no_mask(%q: tensor<?x2x32xf32>, %i: index) {
  // expected-error @+1 {{expected 'mask'}}
  %o = flow.attention %q at %i, %q, %q total %i scale 1.0 : tensor<?x2x32xf32>, tensor<?x2x32xf32>
  return
}

// -----

func.func @no_scale(%q: tensor<?x2x32xf32>, %i: index) {
  // expected-error @+1 {{expected 'scale'}}
  %o = flow.attention %q at %i, %q, %q total %i mask <causal> : tensor<?x2x32xf32>, tensor<?x2x32xf32>
  return
}

// -----

func.func @one_norm(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %n: tensor<32xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{expected ','}}
  %q, %k, %v = flow.qkv_rope_append %x, %w norms %n rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

func.func @unranked(%x: tensor<*xf32>) {
  // expected-error @+1 {{operand #0 must be ranked tensor of f32, bf16 or f16 values without encoding, but got 'tensor<*xf32>'}}
  %y = flow.rms_norm %x : tensor<*xf32>
  return
}

// -----

func.func @integers(%x: tensor<4x8xi32>) {
  // expected-error @+1 {{operand #0 must be ranked tensor of f32, bf16 or f16 values without encoding, but got 'tensor<4x8xi32>'}}
  %y = flow.rms_norm %x : tensor<4x8xi32>
  return
}

// -----

// expected-error @+1 {{struct is missing required parameter: vocab}}
flow.model @m <hidden = 64, positions = 256> {
}

// -----

// expected-error @+1 {{duplicate or unknown struct parameter name: depth}}
flow.model @m <hidden = 64, vocab = 512, positions = 256, depth = 3> {
}

// -----

func.func private @unknown_pattern() attributes {
  // expected-error @+2 {{#flow.mask: expected causal or full, got 'banded': a mask is a predicate on positions, an arbitrary mask or bias has no form}}
  // expected-error @+1 {{failed to parse Flow_MaskAttr parameter 'pattern'}}
  a = #flow.mask<banded>
}
