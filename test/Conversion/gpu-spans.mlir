// RUN: flow-opt %s --convert-flow-to-gpu | FileCheck %s

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 64
  flow.kv_cache @kv kv_heads 1 head_dim 64 type bf16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @qkv : tensor<384x64xf32>
}

// Each rule has a kernel of its own, which is given the spans of the step.
// CHECK-LABEL: func.func @rules
// CHECK-SAME: (%{{.*}}: tensor<?xi32>, %[[START:.*]]: index, %[[ROWS:.*]]: index, %[[SPANS:.*]]: tensor<?x2xi32>)
func.func @rules(%tokens: tensor<?xi32>, %start: index, %rows: index, %spans: tensor<?x2xi32>) {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %angles = flow.rope_angles @tiny::@local at %start rows %t : tensor<?x32x2xf32>
  %w = flow.weight_ref @tiny::@qkv : tensor<384x64xf32, #flow.panels<bf16>>
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x64xbf16>
  // CHECK: %[[HEADS:.*]]:3 = flow.launch @kernels::@heads_
  %q, %k1, %v1 = flow.qkv_rope_append %n, %w rope %angles into %k, %v at %start count %rows : tensor<?x64xf32, #flow.bf16_rows>, tensor<384x64xf32, #flow.panels<bf16>>, tensor<?x32x2xf32>, tensor<?x1x64xbf16> -> tensor<?x4x64xf32>
  %total = arith.addi %start, %rows : index
  // CHECK: flow.launch @kernels::@rows_attention_h4_kv1_d64_w16_spans_{{.*}}(%[[HEADS]]#0, %[[HEADS]]#1, %[[HEADS]]#2, %[[SPANS]]) step(%[[START]], %[[ROWS]]) capacity
  %a = flow.attention %q at %start, %k1, %v1 total %total spans %spans : tensor<?x2xi32> mask <causal, window = 16, spans = windowed> blocks <first = window, last = span, size = 32> scale 1.25e-01 : tensor<?x4x64xf32>, tensor<?x1x64xbf16>
  // CHECK: flow.launch @kernels::@rows_attention_h4_kv1_d64_w16_free_{{.*}}(%[[HEADS]]#0, %[[HEADS]]#1, %[[HEADS]]#2, %[[SPANS]])
  %b = flow.attention %q at %start, %k1, %v1 total %total spans %spans : tensor<?x2xi32> mask <causal, window = 16, spans = free> blocks <first = span, last = span, size = 32> scale 1.25e-01 : tensor<?x4x64xf32>, tensor<?x1x64xbf16>
  // CHECK: flow.launch @kernels::@rows_attention_h4_kv1_d64_free_{{.*}}(%[[HEADS]]#0, %[[HEADS]]#1, %[[HEADS]]#2, %[[SPANS]])
  %c = flow.attention %q at %start, %k1, %v1 total %total spans %spans : tensor<?x2xi32> mask <causal, spans = free> blocks <first = zero, last = span, size = 32> scale 1.25e-01 : tensor<?x4x64xf32>, tensor<?x1x64xbf16>
  return
}
