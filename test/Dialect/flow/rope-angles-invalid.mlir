// RUN: flow-opt %s --split-input-file --verify-diagnostics

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @a_cache(%i: index) {
  // rope_angles (C1)
  // expected-error @+1 {{(C1): @tiny::@kv0 is not a flow.rope_table of this module}}
  %a = flow.rope_angles @tiny::@kv0 at %i rows %i : tensor<?x16x2xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
}
func.func @whole_head(%i: index) {
  // rope_angles (C2)
  // expected-error @+1 {{(C2): the type must be [T, 16, 2], got 'tensor<?x32x2xf32>'}}
  %a = flow.rope_angles @tiny::@local at %i rows %i : tensor<?x32x2xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
}
func.func @cosines_only(%i: index) {
  // rope_angles (C2)
  // expected-error @+1 {{(C2): the type must be [T, 16, 2], got 'tensor<?x16x1xf32>'}}
  %a = flow.rope_angles @tiny::@local at %i rows %i : tensor<?x16x1xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
}
func.func @shorter_elements(%i: index) {
  // rope_angles (C2)
  // expected-error @+1 {{result #0 must be 3D tensor of 32-bit float values}}
  %a = flow.rope_angles @tiny::@local at %i rows %i : tensor<?x16x2xbf16>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
}
func.func @nowhere(%i: index) {
  // expected-error @+1 {{expected 'sequences'}}
  %a = flow.rope_angles @tiny::@local rows %i : tensor<?x16x2xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
}
func.func @both(%i: index, %s: tensor<?x4xi32>) {
  // rope_angles (C3)
  // expected-error @+1 {{(C3): there must be either start or sequences}}
  %a = "flow.rope_angles"(%i, %s, %i) {table = @tiny::@local, operandSegmentSizes = array<i32: 1, 1, 1>} : (index, tensor<?x4xi32>, index) -> tensor<?x16x2xf32>
  return
}
