// RUN: flow-opt %s --split-input-file --verify-diagnostics

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @final_norm : tensor<64xf32>
}
func.func @a_weight() {
  // cache_ref (C1)
  // expected-error @+1 {{(C1): @tiny::@final_norm is not a flow.kv_cache of this module}}
  %k, %v = flow.cache_ref @tiny::@final_norm : tensor<?x1x32xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @more_heads() {
  // cache_ref (C2)
  // expected-error @+1 {{(C2): the type must be [?, 1, 32] of 'f32', got 'tensor<?x2x32xf32>'}}
  %k, %v = flow.cache_ref @tiny::@kv0 : tensor<?x2x32xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @shorter_heads() {
  // cache_ref (C2)
  // expected-error @+1 {{(C2): the type must be [?, 1, 32] of 'f32', got 'tensor<?x1x16xf32>'}}
  %k, %v = flow.cache_ref @tiny::@kv0 : tensor<?x1x16xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @static_capacity() {
  // cache_ref (C2)
  // expected-error @+1 {{(C2): the type must be [?, 1, 32] of 'f32', got 'tensor<64x1x32xf32>'}}
  %k, %v = flow.cache_ref @tiny::@kv0 : tensor<64x1x32xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @two_types() {
  // cache_ref (C2)
  // expected-error @+1 {{(C2): keys and values must have one type, got 'tensor<?x1x32xf32>' and 'tensor<?x1x32xbf16>'}}
  %k, %v = "flow.cache_ref"() {cache = @tiny::@kv0} : () -> (tensor<?x1x32xf32>, tensor<?x1x32xbf16>)
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @static_slots() {
  // cache_ref (C2)
  // expected-error @+1 {{(C2): the type must be [?, ?, 1, 32] of 'f32', got 'tensor<4x?x1x32xf32>'}}
  %k, %v = flow.cache_ref @tiny::@kv0 : tensor<4x?x1x32xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32 type f16
}
func.func @another_type() {
  // cache_ref (C2)
  // expected-error @+1 {{(C2): the type must be [?, 1, 32] of 'f16', got 'tensor<?x1x32xf32>'}}
  %k, %v = flow.cache_ref @tiny::@kv0 : tensor<?x1x32xf32>
  return
}
