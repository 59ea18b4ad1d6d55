// RUN: flow-opt %s --flow-plan-cache --split-input-file | FileCheck %s

// Three attentions read one cache; the longest window counts.
// CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 32 ring 20
flow.model @longest <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @longest_window(%q: tensor<?x2x32xf32>, %r: tensor<?x1x32xf32>, %i: index) -> (tensor<?x2x32xf32>, tensor<?x2x32xf32>, tensor<?x2x32xf32>) {
  %k, %v = flow.cache_ref @longest::@kv0 : tensor<?x1x32xf32>
  %k1, %v1 = flow.kv_append %r, %r into %k, %v at %i count %i : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q at %i, %k1, %v1 total %i mask <causal, window = 16> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  %p = flow.attention %q at %i, %k1, %v1 total %i mask <causal, window = 20> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  %s = flow.attention %q at %i, %k1, %v1 total %i mask <causal, window = 18> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o, %p, %s : tensor<?x2x32xf32>, tensor<?x2x32xf32>, tensor<?x2x32xf32>
}

// -----

// The fused stage hands a cache on as well; what follows it decides.
// CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 32 ring 16
// CHECK: flow.kv_cache @kv1 kv_heads 1 head_dim 32{{$}}
flow.model @fused <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.kv_cache @kv1 kv_heads 1 head_dim 32
}
func.func @through_fused_stages(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %angles: tensor<?x16x2xf32>, %i: index) -> (tensor<?x2x32xf32>, tensor<?x2x32xf32>) {
  %k, %v = flow.cache_ref @fused::@kv0 : tensor<?x1x32xf32>
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w rope %angles into %k, %v at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  %o = flow.attention %q at %i, %k1, %v1 total %i mask <causal, window = 16> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  %k2, %v2 = flow.cache_ref @fused::@kv1 : tensor<?x1x32xf32>
  %r, %k3, %v3 = flow.qkv_rope_append %x, %w rope %angles into %k2, %v2 at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  %p = flow.attention %r at %i, %k3, %v3 total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o, %p : tensor<?x2x32xf32>, tensor<?x2x32xf32>
}
