// RUN: flow-opt %s --convert-flow-to-gpu | FileCheck %s

// Layers that add embeddings of their own, and that read another's cache.
flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 64
  flow.kv_cache @kv kv_heads 1 head_dim 64 type bf16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @gate : tensor<32x64xf32>
  flow.weight @out : tensor<64x32xf32>
  flow.weight @small : tensor<512x32xf32>
  flow.weight @q : tensor<128x64xf32>
  flow.weight @norm : tensor<64xf32>
  flow.weight @context_norm : tensor<32xf32>
}

// CHECK-LABEL: func.func @per_layer
func.func @per_layer(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<?x64xf32> {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  // CHECK: %[[X:.*]] = flow.launch @kernels::@embed_64_
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %small = flow.weight_ref @tiny::@small : tensor<512x32xf32>
  // CHECK: %[[E:.*]] = flow.launch @kernels::@embed_32_
  %e = flow.embed %tokens, %small scale 4.0 : tensor<?xi32>, tensor<512x32xf32> -> tensor<?x32xf32>
  // CHECK: %[[R:.*]] = flow.launch @kernels::@round_64(%[[X]]) grid [rows, 1, 1] threads 128 : (tensor<?x64xf32>) -> tensor<?x64xbf16>
  %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %g = flow.weight_ref @tiny::@gate : tensor<32x64xf32, #flow.panels<bf16>>
  %o = flow.weight_ref @tiny::@out : tensor<64x32xf32, #flow.panels<bf16>>
  // CHECK: %[[G:.*]] = flow.launch @kernels::@rows_product_32x64_f32(%[[R]],
  // CHECK: %[[H:.*]] = flow.launch @kernels::@gate_32(%[[G]], %[[E]]) grid [rows, 1, 1] threads 128 : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xbf16>
  // CHECK: %[[Y:.*]] = flow.launch @kernels::@rows_product_64x32_f32(%[[H]],
  %y = flow.per_layer_gate %r, %g, %e, %o hidden(#flow.bf16_rows) : tensor<?x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>>, tensor<?x32xf32>, tensor<64x32xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  // CHECK: flow.launch @kernels::@add_64(%[[X]], %[[Y]]) grid [rows, 1, 1] threads 128 : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %z = arith.addf %x, %y : tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @queries_alone
func.func @queries_alone(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %angles = flow.rope_angles @tiny::@local at %start rows %t : tensor<?x32x2xf32>
  %w = flow.weight_ref @tiny::@q : tensor<128x64xf32, #flow.panels<bf16>>
  // CHECK: %[[P:.*]] = flow.launch @kernels::@rows_product_128x64_f32(
  %p = flow.linear %r, %w : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
  %h = tensor.expand_shape %p [[0], [1, 2]] output_shape [%t, 2, 64] : tensor<?x128xf32> into tensor<?x2x64xf32>
  %s = flow.weight_ref @tiny::@norm : tensor<64xf32>
  // CHECK: %[[N:.*]] = flow.launch @kernels::@norm_2x64_358637bd_weighted_f32(%[[P]], %{{.*}}) grid [rows * 2, 1, 1] threads 128 shared 16 : (tensor<?x128xf32>, tensor<64xf32>) -> tensor<?x128xf32>
  %n = flow.rms_norm %h scale %s : tensor<?x2x64xf32>, tensor<64xf32>
  // CHECK: %[[Q:.*]] = flow.launch @kernels::@heads_2_0_64_0(%[[N]], %{{.*}}) grid [1, rows, 1] threads 128 : (tensor<?x128xf32>, tensor<?x32x2xf32>) -> tensor<?x2x64xbf16>
  %q = flow.rope %n, %angles : tensor<?x2x64xf32>, tensor<?x32x2xf32>
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x64xbf16>
  %total = arith.addi %start, %rows : index
  // CHECK: flow.launch @kernels::@rows_attention_h2_kv1_d64_{{.*}}(%[[Q]], %{{.*}}, %{{.*}})
  %a = flow.attention %q at %start, %k, %v total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 : tensor<?x2x64xf32>, tensor<?x1x64xbf16>
  return %x : tensor<?x64xf32>
}

// Of one row, the product of the gate adds the layer's norm to the stream and
// rounds the sum, and the norm of what it gives is made by the next sum.
// CHECK-LABEL: func.func @per_layer_row
func.func @per_layer_row(%tokens: tensor<1xi32>, %start: index, %rows: index) -> (tensor<1x64xf32>, tensor<1x64xf32>) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  // CHECK: %[[X:.*]] = flow.launch @kernels::@embed_64_
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  %small = flow.weight_ref @tiny::@small : tensor<512x32xf32>
  // CHECK: %[[E:.*]] = flow.launch @kernels::@embed_32_
  %e = flow.embed %tokens, %small scale 4.0 : tensor<1xi32>, tensor<512x32xf32> -> tensor<1x32xf32>
  %s = flow.weight_ref @tiny::@norm : tensor<64xf32>
  %n = flow.rms_norm %x scale %s : tensor<1x64xf32>, tensor<64xf32>
  %sum = arith.addf %x, %n : tensor<1x64xf32>
  %r = flow.quantize_rows %sum : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %g = flow.weight_ref @tiny::@gate : tensor<32x64xf32, #flow.panels<bf16>>
  %o = flow.weight_ref @tiny::@out : tensor<64x32xf32, #flow.panels<bf16>>
  // CHECK-NEXT: %[[G:.*]]:2 = flow.launch @kernels::@sum_64_branch358637bd_vector_product_32x64_f32(%[[X]], %[[X]], %[[S:[0-9]*]], %{{.*}}) grid [4, 1, 1] threads 256 {{.*}} -> (tensor<1x64xf32>, tensor<1x32xf32>)
  // CHECK-NEXT: %[[H:.*]] = flow.launch @kernels::@gate_32(%[[G]]#1, %[[E]])
  // CHECK-NEXT: %[[Y:.*]] = flow.launch @kernels::@vector_product_64x32_f32(%[[H]],
  %y = flow.per_layer_gate %r, %g, %e, %o hidden(#flow.bf16_rows) : tensor<1x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>>, tensor<1x32xf32>, tensor<64x32xf32, #flow.panels<bf16>> -> tensor<1x64xf32>
  %b = flow.rms_norm %y scale %s {eps = 2.0e-06 : f64} : tensor<1x64xf32>, tensor<64xf32>
  // CHECK-NEXT: %[[Z:.*]]:2 = flow.launch @kernels::@sum_norm_64_358637bd_weighted_f32_branch360637bd(%[[G]]#0, %[[Y]], %[[S]], %[[S]])
  %z, %m = flow.add_rms_norm %sum, %b scale %s : tensor<1x64xf32>, tensor<64xf32>
  // CHECK-NEXT: return %[[Z]]#0, %[[Z]]#1
  return %z, %m : tensor<1x64xf32>, tensor<1x64xf32>
}

// The product behind the gate makes its row: it norms the context, adds it to
// the token's embedding, and gates the sum. Nobody stores that.
// CHECK-LABEL: func.func @gated_sum
func.func @gated_sum(%tokens: tensor<1xi32>, %start: index, %rows: index) -> tensor<1x64xf32> {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  // CHECK: %[[X:.*]] = flow.launch @kernels::@embed_64_
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  %small = flow.weight_ref @tiny::@small : tensor<512x32xf32>
  // CHECK: %[[E:.*]] = flow.launch @kernels::@embed_32_
  %e = flow.embed %tokens, %small scale 4.0 : tensor<1xi32>, tensor<512x32xf32> -> tensor<1x32xf32>
  // CHECK-NEXT: %[[R:.*]] = flow.launch @kernels::@round_64(%[[X]])
  %r = flow.quantize_rows %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %g = flow.weight_ref @tiny::@gate : tensor<32x64xf32, #flow.panels<bf16>>
  %o = flow.weight_ref @tiny::@out : tensor<64x32xf32, #flow.panels<bf16>>
  // CHECK-NEXT: %[[C:.*]] = flow.launch @kernels::@vector_product_32x64_f32(%[[R]],
  %c = flow.linear %r, %g : tensor<1x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>> -> tensor<1x32xf32>
  %s = flow.weight_ref @tiny::@context_norm : tensor<32xf32>
  %n = flow.rms_norm %c scale %s eps 1.0e-03 : tensor<1x32xf32>, tensor<32xf32>
  %sum = arith.addf %n, %e : tensor<1x32xf32>
  // CHECK-NEXT: %[[G:.*]] = flow.launch @kernels::@vector_product_32x64_f32(%[[R]],
  // CHECK-NEXT: %[[Y:.*]] = flow.launch @kernels::@sum_32_branch3a83126f_gated_vector_product_64x32_f32(%[[E]], %[[C]], %{{.*}}, %[[G]], %{{.*}}) {{.*}} -> tensor<1x64xf32>
  // CHECK-NEXT: return %[[Y]]
  %y = flow.per_layer_gate %r, %g, %sum, %o hidden(#flow.bf16_rows) : tensor<1x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>>, tensor<1x32xf32>, tensor<64x32xf32, #flow.panels<bf16>> -> tensor<1x64xf32>
  return %y : tensor<1x64xf32>
}

// Attention norms and turns the only row of queries that have no keys of their
// own, unless somebody else reads them.
// CHECK-LABEL: func.func @queries_of_a_row
// CHECK-SAME: (%{{.*}}: tensor<1xi32>, %[[START:.*]]: index, %[[ROWS:.*]]: index)
func.func @queries_of_a_row(%tokens: tensor<1xi32>, %start: index, %rows: index) -> tensor<1x64xf32> {
  %c1 = arith.constant 1 : index
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  %r = flow.quantize_rows %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  // CHECK: %[[ANGLES:.*]] = flow.launch @kernels::@angles_64_
  %angles = flow.rope_angles @tiny::@local at %start rows %c1 : tensor<1x32x2xf32>
  %w = flow.weight_ref @tiny::@q : tensor<128x64xf32, #flow.panels<bf16>>
  // CHECK-NEXT: %[[P:.*]] = flow.launch @kernels::@vector_product_128x64_f32(
  %p = flow.linear %r, %w : tensor<1x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<1x128xf32>
  %h = tensor.expand_shape %p [[0], [1, 2]] output_shape [1, 2, 64] : tensor<1x128xf32> into tensor<1x2x64xf32>
  %s = flow.weight_ref @tiny::@norm : tensor<64xf32>
  %n = flow.rms_norm %h scale %s : tensor<1x2x64xf32>, tensor<64xf32>
  %q = flow.rope %n, %angles : tensor<1x2x64xf32>, tensor<1x32x2xf32>
  // CHECK-NEXT: %[[KEY:.*]], %[[VALUE:.*]] = flow.cache_ref
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x64xbf16>
  %total = arith.addi %start, %rows : index
  // CHECK: flow.launch @kernels::@split_attention_h2_kv1_d64_{{.*}}_heads_2_0_64_358637bd_norms(%[[P]], %{{.*}}, %[[ANGLES]], %[[KEY]], %[[VALUE]]) step(%[[START]], %[[ROWS]]) capacity
  %a = flow.attention %q at %start, %k, %v total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 : tensor<1x2x64xf32>, tensor<?x1x64xbf16>
  // CHECK: %[[Q:.*]] = flow.launch @kernels::@heads_2_0_64_0(%[[P]], %[[ANGLES]])
  %q2 = flow.rope %h, %angles : tensor<1x2x64xf32>, tensor<1x32x2xf32>
  // CHECK-COUNT-2: flow.launch @kernels::@split_attention_h2_kv1_d64_scale3fc0000000000000(%[[Q]],
  %b = flow.attention %q2 at %start, %k, %v total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 : tensor<1x2x64xf32>, tensor<?x1x64xbf16>
  %c = flow.attention %q2 at %start, %k, %v total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 : tensor<1x2x64xf32>, tensor<?x1x64xbf16>
  return %x : tensor<1x64xf32>
}
