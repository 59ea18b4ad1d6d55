// RUN: flow-opt %s --convert-flow-to-gpu --split-input-file | FileCheck %s

// A layer's step of one row: five launches. Norms are made by the products
// behind them, heads and caches by attention.
flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 64
  flow.kv_cache @kv kv_heads 1 head_dim 64 type bf16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @qkv : tensor<384x64xf32>
  flow.weight @o : tensor<64x256xf32>
  flow.weight @gate_up : tensor<128x64xf32>
  flow.weight @down : tensor<64x64xf32>
  flow.weight @norm : tensor<64xf32>
}

// CHECK-LABEL: func.func @decode
// CHECK-SAME: (%{{.*}}: tensor<1xi32>, %[[START:.*]]: index, %[[ROWS:.*]]: index)
func.func @decode(%tokens: tensor<1xi32>, %start: index, %rows: index) -> tensor<1x64xf32> {
  %c1 = arith.constant 1 : index
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  // CHECK: %[[STREAM:.*]] = flow.launch @kernels::@embed_64_
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  %norm = flow.weight_ref @tiny::@norm : tensor<64xf32>
  %y0 = flow.embed %tokens, %table scale 2.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  // CHECK: %[[BRANCH:.*]] = flow.launch @kernels::@embed_64_
  %s0, %n0 = flow.add_rms_norm %x, %y0 scale %norm : tensor<1x64xf32>, tensor<64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  // CHECK-NEXT: %[[ANGLES:.*]] = flow.launch @kernels::@angles_64_
  %angles = flow.rope_angles @tiny::@local at %start rows %c1 : tensor<1x32x2xf32>
  %w = flow.weight_ref @tiny::@qkv : tensor<384x64xf32, #flow.panels<bf16>>
  // CHECK-NEXT: %[[KEY:.*]], %[[VALUE:.*]] = flow.cache_ref
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x64xbf16>
  // CHECK-NEXT: %[[QKV:.*]]:2 = flow.launch @kernels::@sum_norm_64_358637bd_weighted_bf16_vector_product_384x64_f32(%[[STREAM]], %[[BRANCH]], %{{.*}}, %{{.*}}) grid [48, 1, 1] threads 256 {{.*}} -> (tensor<1x64xf32>, tensor<1x384xf32>)
  %q, %k1, %v1 = flow.qkv_rope_append %n0, %w rope %angles into %k, %v at %start count %rows : tensor<1x64xf32, #flow.bf16_rows>, tensor<384x64xf32, #flow.panels<bf16>>, tensor<1x32x2xf32>, tensor<?x1x64xbf16> -> tensor<1x4x64xf32>
  %total = arith.addi %start, %rows : index
  // CHECK: %[[A:.*]]:4 = flow.launch @kernels::@split_attention_h4_kv1_d64_w16_{{.*}}_heads_4_1_64_358637bd(%[[QKV]]#1, %[[ANGLES]]) updates(%[[KEY]], %[[VALUE]] : tensor<?x1x64xbf16>, tensor<?x1x64xbf16>) step(%[[START]], %[[ROWS]]) capacity grid [2, 1, 1] threads 128
  %a = flow.attention %q at %start, %k1, %v1 total %total mask <causal, window = 16> blocks <first = window, size = 32> scale 1.25e-01 : tensor<1x4x64xf32>, tensor<?x1x64xbf16>
  %c = tensor.collapse_shape %a [[0], [1, 2]] : tensor<1x4x64xf32> into tensor<1x256xf32>
  %r = flow.quantize_rows %c : tensor<1x256xf32> -> tensor<1x256xf32, #flow.bf16_rows>
  %o = flow.weight_ref @tiny::@o : tensor<64x256xf32, #flow.panels<bf16>>
  // CHECK-NEXT: %[[O:.*]] = flow.launch @kernels::@vector_product_64x256_f32(%[[A]]#1,
  %b = flow.linear %r, %o : tensor<1x256xf32, #flow.bf16_rows>, tensor<64x256xf32, #flow.panels<bf16>> -> tensor<1x64xf32>
  %s1, %n1 = flow.add_rms_norm %s0, %b branch_scale %norm scale %norm : tensor<1x64xf32>, tensor<64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %gu = flow.weight_ref @tiny::@gate_up : tensor<128x64xf32, #flow.panels<bf16>>
  %d = flow.weight_ref @tiny::@down : tensor<64x64xf32, #flow.panels<bf16>>
  // CHECK-NEXT: %[[MLP:.*]]:2 = flow.launch @kernels::@sum_norm_64_358637bd_weighted_bf16_branch358637bd_vector_product_128x64_gated(%[[QKV]]#0, %[[O]],
  // CHECK-NEXT: %[[DOWN:.*]] = flow.launch @kernels::@vector_product_64x64_f32(%[[MLP]]#1,
  %m = flow.gated_mlp %n1, %gu, %d hidden(#flow.bf16_rows) : tensor<1x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>>, tensor<64x64xf32, #flow.panels<bf16>> -> tensor<1x64xf32>
  // CHECK-NEXT: %[[SUM:.*]] = flow.launch @kernels::@add_64(%[[MLP]]#0, %[[DOWN]])
  %sum = arith.addf %s1, %m : tensor<1x64xf32>
  // CHECK-NEXT: return %[[SUM]]
  return %sum : tensor<1x64xf32>
}

// -----

// A norm that two read, or whose sum is read before the product, is a launch of
// its own; so are heads of which somebody else reads the queries.
flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 64
  flow.kv_cache @kv kv_heads 1 head_dim 64 type bf16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @qkv : tensor<192x64xf32>
  flow.weight @norm : tensor<64xf32>
}

// CHECK-LABEL: func.func @apart
func.func @apart(%tokens: tensor<1xi32>, %start: index, %rows: index) -> (tensor<1x64xf32>, tensor<1x64xf32>) {
  %c1 = arith.constant 1 : index
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  %norm = flow.weight_ref @tiny::@norm : tensor<64xf32>
  // CHECK: flow.launch @kernels::@sum_norm_64_358637bd_weighted_bf16(
  %s0, %n0 = flow.add_rms_norm %x, %x scale %norm : tensor<1x64xf32>, tensor<64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %angles = flow.rope_angles @tiny::@local at %start rows %c1 : tensor<1x32x2xf32>
  %w = flow.weight_ref @tiny::@qkv : tensor<192x64xf32, #flow.panels<bf16>>
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x64xbf16>
  // CHECK: flow.launch @kernels::@vector_product_192x64_f32(
  // CHECK: flow.launch @kernels::@heads_1_1_64_358637bd(
  %q, %k1, %v1 = flow.qkv_rope_append %n0, %w rope %angles into %k, %v at %start count %rows : tensor<1x64xf32, #flow.bf16_rows>, tensor<192x64xf32, #flow.panels<bf16>>, tensor<1x32x2xf32>, tensor<?x1x64xbf16> -> tensor<1x1x64xf32>
  %total = arith.addi %start, %rows : index
  // CHECK: flow.launch @kernels::@split_attention_h1_kv1_d64_scale3fc0000000000000(
  %a = flow.attention %q at %start, %k1, %v1 total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 : tensor<1x1x64xf32>, tensor<?x1x64xbf16>
  // CHECK: flow.launch @kernels::@split_attention_h1_kv1_d64_w16_scale3fc0000000000000(
  %a2 = flow.attention %q at %start, %k1, %v1 total %total mask <causal, window = 16> blocks <first = window, size = 32> scale 1.25e-01 : tensor<1x1x64xf32>, tensor<?x1x64xbf16>
  // CHECK: flow.launch @kernels::@vector_product_192x64_f32(
  %p = flow.linear %n0, %w : tensor<1x64xf32, #flow.bf16_rows>, tensor<192x64xf32, #flow.panels<bf16>> -> tensor<1x192xf32>
  %c = tensor.collapse_shape %a [[0], [1, 2]] : tensor<1x1x64xf32> into tensor<1x64xf32>
  %s1, %n1 = flow.add_rms_norm %s0, %c scale %norm : tensor<1x64xf32>, tensor<64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  // CHECK: %[[S:.*]]:2 = flow.launch @kernels::@sum_norm_64_358637bd_weighted_bf16(
  // CHECK: flow.launch @kernels::@add_64(%[[S]]#0, %[[S]]#0)
  %twice = arith.addf %s1, %s1 : tensor<1x64xf32>
  // CHECK: flow.launch @kernels::@vector_product_192x64_f32(%[[S]]#1,
  %z = flow.linear %n1, %w : tensor<1x64xf32, #flow.bf16_rows>, tensor<192x64xf32, #flow.panels<bf16>> -> tensor<1x192xf32>
  return %twice, %s1 : tensor<1x64xf32>, tensor<1x64xf32>
}
