// RUN: flow-opt %s --flow-plan-cache --remarks-filter=flow-plan-cache \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// T19: Who reads a cache may stand in a function that flow-share-layers has made.

flow.model @shared <hidden = 64, vocab = 512, positions = 256> {
  // CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 32 ring 16
  // expected-remark @+2 {{@kv0 is a ring: no query sees further back than 16 keys}}
  // expected-remark @+1 {{[Analysis] cache-size}}
  flow.kv_cache @kv0 kv_heads 1 head_dim 32 ring 16
  // What the function gives back is read outside, without a window.
  // CHECK: flow.kv_cache @kv1 kv_heads 1 head_dim 32{{$}}
  // expected-remark @+2 {{@kv1 keeps every position: an attention without a window reads it}}
  // expected-remark @+1 {{[Analysis] cache-size}}
  flow.kv_cache @kv1 kv_heads 1 head_dim 32
}
func.func @step(%q: tensor<?x2x32xf32>, %r: tensor<?x1x32xf32>, %i: index) -> (tensor<?x2x32xf32>, tensor<?x2x32xf32>, tensor<?x2x32xf32>) {
  %k0, %v0 = flow.cache_ref @shared::@kv0 : tensor<?x1x32xf32>
  %a, %k1, %v1 = func.call @layer(%q, %r, %k0, %v0, %i) : (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index) -> (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  %k2, %v2 = flow.cache_ref @shared::@kv1 : tensor<?x1x32xf32>
  %b, %k3, %v3 = func.call @layer(%q, %r, %k2, %v2, %i) : (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index) -> (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  %c = flow.attention %q at %i, %k3, %v3 total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %a, %b, %c : tensor<?x2x32xf32>, tensor<?x2x32xf32>, tensor<?x2x32xf32>
}
func.func private @layer(%q: tensor<?x2x32xf32>, %r: tensor<?x1x32xf32>, %k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %i: index) -> (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>) attributes {flow.class = "layer0"} {
  %k1, %v1 = flow.kv_append %r, %r into %k, %v at %i count %i : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q at %i, %k1, %v1 total %i mask <causal, window = 16> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o, %k1, %v1 : tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>
}

// -----

// Functions are followed one call deep: that ends however they call each other.
flow.model @nested <hidden = 64, vocab = 512, positions = 256> {
  // CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 32{{$}}
  // expected-remark @+2 {{@kv0 keeps every position: func.call reads it}}
  // expected-remark @+1 {{[Analysis] cache-size}}
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @outer(%q: tensor<?x2x32xf32>, %i: index) {
  %k, %v = flow.cache_ref @nested::@kv0 : tensor<?x1x32xf32>
  func.call @again(%q, %k, %v, %i) : (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index) -> ()
  return
}
func.func private @again(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %i: index) {
  %o = flow.attention %q at %i, %k, %v total %i mask <causal, window = 16> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  func.call @again(%o, %k, %v, %i) : (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index) -> ()
  return
}
