// RUN: flow-opt %s --split-input-file --convert-flow-to-gpu --verify-diagnostics

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 32 type f16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @narrow : tensor<512x60xf32>
  flow.weight @gates : tensor<96x64xf32>
}
func.func @product_of_f32(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %p = flow.weight_ref @tiny::@embedding : tensor<512x64xf32, #flow.panels<f32>>
  // expected-error @+1 {{has a product that no kernel computes: a weight must be in bf16 panels or in blocks, got 'tensor<512x64xf32, #flow.panels<f32>>'}}
  %y = flow.linear %x, %p : tensor<?x64xf32>, tensor<512x64xf32, #flow.panels<f32>> -> tensor<?x512xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 32 type f16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @narrow : tensor<512x60xf32>
  flow.weight @gates : tensor<96x64xf32>
}
func.func @no_tiles_for_the_depth(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@narrow : tensor<512x60xf32>
  // expected-error @+1 {{has a table that no kernel reads}}
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x60xf32> -> tensor<?x60xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 32 type f16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @narrow : tensor<512x60xf32>
  flow.weight @gates : tensor<96x64xf32>
}
func.func @cache_of_f16(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  // expected-error @+1 {{is a cache that no kernel reads: it must be of bf16 and of one sequence, got 'tensor<?x1x32xf16>'}}
  %k, %v = flow.cache_ref @tiny::@wide : tensor<?x1x32xf16>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 32 type f16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @narrow : tensor<512x60xf32>
  flow.weight @gates : tensor<96x64xf32>
}
func.func @stage_without_kernel(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  // expected-error @+1 {{'flow.geglu' op has no kernel}}
  %y = flow.geglu %x, %x : tensor<?x64xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 32 type f16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @narrow : tensor<512x60xf32>
  flow.weight @gates : tensor<96x64xf32>
}
func.func @quantised_rows(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  // expected-error @+1 {{'flow.quantize_rows' op has no kernel}}
  %y = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 32 type f16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @narrow : tensor<512x60xf32>
  flow.weight @gates : tensor<96x64xf32>
}
func.func @first_row(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  // expected-error @+1 {{takes other rows than the last one}}
  %y = tensor.extract_slice %x[0, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 32 type f16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @narrow : tensor<512x60xf32>
  flow.weight @down : tensor<64x48xf32>
  flow.weight @gates : tensor<96x64xf32>
}
func.func @gates_of_no_tile(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %g = flow.weight_ref @tiny::@gates : tensor<96x64xf32, #flow.panels<bf16>>
  %d = flow.weight_ref @tiny::@down : tensor<64x48xf32, #flow.panels<bf16>>
  // expected-error @+1 {{multiplies by 'tensor<96x64xbf16>', for which there are no tiles}}
  %y = flow.gated_mlp %n, %g, %d hidden(#flow.bf16_rows) : tensor<?x64xf32, #flow.bf16_rows>, tensor<96x64xf32, #flow.panels<bf16>>, tensor<64x48xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 32 type f16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @narrow : tensor<512x60xf32>
  flow.weight @gates : tensor<96x64xf32>
}
func.func @small_heads(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %c0 = arith.constant 0 : index
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %angles = flow.rope_angles @tiny::@local at %start rows %t : tensor<?x16x2xf32>
  %w = flow.weight_ref @tiny::@gates : tensor<96x64xf32, #flow.panels<bf16>>
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x32xbf16>
  %q, %k1, %v1 = flow.qkv_rope_append %n, %w rope %angles into %k, %v at %start count %rows : tensor<?x64xf32, #flow.bf16_rows>, tensor<96x64xf32, #flow.panels<bf16>>, tensor<?x16x2xf32>, tensor<?x1x32xbf16> -> tensor<?x1x32xf32>
  %total = arith.addi %start, %rows : index
  // expected-error @+1 {{has heads of 32, expected 64, 128, 256 or 512}}
  %a = flow.attention %q at %start, %k1, %v1 total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 : tensor<?x1x32xf32>, tensor<?x1x32xbf16>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 32 type f16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @narrow : tensor<512x60xf32>
  flow.weight @gates : tensor<96x64xf32>
}
func.func @mask_without_order(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %c0 = arith.constant 0 : index
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %angles = flow.rope_angles @tiny::@local at %start rows %t : tensor<?x16x2xf32>
  %w = flow.weight_ref @tiny::@gates : tensor<96x64xf32, #flow.panels<bf16>>
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x32xbf16>
  %q, %k1, %v1 = flow.qkv_rope_append %n, %w rope %angles into %k, %v at %start count %rows : tensor<?x64xf32, #flow.bf16_rows>, tensor<96x64xf32, #flow.panels<bf16>>, tensor<?x16x2xf32>, tensor<?x1x32xbf16> -> tensor<?x1x32xf32>
  %total = arith.addi %start, %rows : index
  // expected-error @+1 {{attends by a mask that no kernel has: it must be causal, of one sequence}}
  %a = flow.attention %q at %start, %k1, %v1 total %total mask <full> blocks <first = zero, size = 32, last = total> scale 1.25e-01 : tensor<?x1x32xf32>, tensor<?x1x32xbf16>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 32 type f16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @narrow : tensor<512x60xf32>
  flow.weight @gates : tensor<96x64xf32>
}
func.func @other_rows(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %c0 = arith.constant 0 : index
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %angles = flow.rope_angles @tiny::@local at %start rows %t : tensor<?x16x2xf32>
  %w = flow.weight_ref @tiny::@gates : tensor<96x64xf32, #flow.panels<bf16>>
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x32xbf16>
  // expected-error @+1 {{reads other rows than those of its step}}
  %q, %k1, %v1 = flow.qkv_rope_append %n, %w rope %angles into %k, %v at %start count %t : tensor<?x64xf32, #flow.bf16_rows>, tensor<96x64xf32, #flow.panels<bf16>>, tensor<?x16x2xf32>, tensor<?x1x32xbf16> -> tensor<?x1x32xf32>
  %total = arith.addi %start, %rows : index
  
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 64
  flow.kv_cache @kv kv_heads 1 head_dim 64 type bf16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @qkv : tensor<192x64xf32>
}
func.func @spans_of_one_row(%tokens: tensor<1xi32>, %start: index, %rows: index, %spans: tensor<?x2xi32>) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  %n = flow.rms_norm %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %c1 = arith.constant 1 : index
  %angles = flow.rope_angles @tiny::@local at %start rows %c1 : tensor<1x32x2xf32>
  %w = flow.weight_ref @tiny::@qkv : tensor<192x64xf32, #flow.panels<bf16>>
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x64xbf16>
  %q, %k1, %v1 = flow.qkv_rope_append %n, %w rope %angles into %k, %v at %start count %rows : tensor<1x64xf32, #flow.bf16_rows>, tensor<192x64xf32, #flow.panels<bf16>>, tensor<1x32x2xf32>, tensor<?x1x64xbf16> -> tensor<1x1x64xf32>
  %total = arith.addi %start, %rows : index
  // expected-error @+1 {{attends from one row by a mask with spans, which no kernel does}}
  %a = flow.attention %q at %start, %k1, %v1 total %total spans %spans : tensor<?x2xi32> mask <causal, window = 16, spans = free> blocks <first = span, last = span, size = 32> scale 1.25e-01 : tensor<1x1x64xf32>, tensor<?x1x64xbf16>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 4096, positions = 256> {
  flow.weight @embedding : tensor<4096x64xf32>
}
func.func @too_many_candidates(%tokens: tensor<1xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<4096x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<4096x64xf32> -> tensor<1x64xf32>
  %n = flow.rms_norm %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %w = flow.weight_ref @tiny::@embedding : tensor<4096x64xf32, #flow.panels<bf16>>
  // expected-error @+1 {{gives 'tensor<1x2049xf32>', expected one row of at most 2048 candidates}}
  %v, %i = flow.lm_head_top_k %n, %w : tensor<1x64xf32, #flow.bf16_rows>, tensor<4096x64xf32, #flow.panels<bf16>> -> tensor<1x2049xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 64
  flow.kv_cache @kv kv_heads 1 head_dim 64 type bf16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @qkv : tensor<192x64xf32>
}
func.func @other_spans(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %c0 = arith.constant 0 : index
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %angles = flow.rope_angles @tiny::@local at %start rows %t : tensor<?x32x2xf32>
  %w = flow.weight_ref @tiny::@qkv : tensor<192x64xf32, #flow.panels<bf16>>
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x64xbf16>
  %q, %k1, %v1 = flow.qkv_rope_append %n, %w rope %angles into %k, %v at %start count %rows : tensor<?x64xf32, #flow.bf16_rows>, tensor<192x64xf32, #flow.panels<bf16>>, tensor<?x32x2xf32>, tensor<?x1x64xbf16> -> tensor<?x1x64xf32>
  %total = arith.addi %start, %rows : index
  %spans = arith.constant dense<0> : tensor<1x2xi32>
  // expected-error @+1 {{has other spans than those of its step}}
  %a = flow.attention %q at %start, %k1, %v1 total %total spans %spans : tensor<1x2xi32> mask <causal, spans = free> blocks <first = zero, last = span, size = 32> scale 1.25e-01 : tensor<?x1x64xf32>, tensor<?x1x64xbf16>
  return
}

// -----

// expected-error @+1 {{is no step: it must have tokens, start and rows, and may have spans}}
func.func @helper(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  return %x : tensor<?x64xf32>
}
