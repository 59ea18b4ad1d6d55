// RUN: flow-opt %s --split-input-file --verify-diagnostics

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @final_norm : tensor<64xf32>
}

func.func @f() {
  // weight_ref (C1)
  // expected-error @+1 {{(C1): @tiny::@nothing is not a weight of this module}}
  %w = flow.weight_ref @tiny::@nothing : tensor<64xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @final_norm : tensor<64xf32>
}

func.func @f() {
  // weight_ref (C2)
  // expected-error @+1 {{(C2): @tiny::@final_norm is 'tensor<64xf32>', not 'tensor<65xf32>'}}
  %w = flow.weight_ref @tiny::@final_norm : tensor<65xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @final_norm : tensor<64xf32>
}

func.func @f() {
  // cache_ref (C1)
  // expected-error @+1 {{(C1): @tiny::@final_norm is not a flow.kv_cache of this module}}
  %k, %v = flow.cache_ref @tiny::@final_norm : tensor<?x1x32xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}

func.func @f() {
  // cache_ref (C2)
  // expected-error @+1 {{(C2): the type must be [?, 1, 32], got 'tensor<?x2x32xf32>'}}
  %k, %v = flow.cache_ref @tiny::@kv0 : tensor<?x2x32xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}

func.func @f(%i: index) {
  // rope_angles (C1)
  // expected-error @+1 {{(C1): @tiny::@kv0 is not a flow.rope_table of this module}}
  %a = flow.rope_angles @tiny::@kv0 at %i rows %i : tensor<?x16x2xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
}

func.func @f(%i: index) {
  // rope_angles (C2)
  // expected-error @+1 {{(C2): the type must be [T, 16, 2], got 'tensor<?x32x2xf32>'}}
  %a = flow.rope_angles @tiny::@local at %i rows %i : tensor<?x32x2xf32>
  return
}
