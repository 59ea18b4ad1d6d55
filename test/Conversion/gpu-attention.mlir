// RUN: flow-opt %s --convert-flow-to-gpu | FileCheck %s

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 64
  flow.kv_cache @kv kv_heads 1 head_dim 64 type bf16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @qkv : tensor<384x64xf32>
  flow.weight @head_norm : tensor<64xf32>
  flow.weight @o : tensor<64x256xf32>
}

// Rows of a step attend by tiles, and lie side by side afterwards.
// CHECK-LABEL: func.func @many_rows
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<?xi32>, %[[START:.*]]: index, %[[ROWS:.*]]: index)
func.func @many_rows(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  // CHECK: %[[ANGLES:.*]] = flow.launch @kernels::@angles_64_32_{{.*}}() step(%[[START]], %[[ROWS]]) grid [rows, 1, 1] threads 128 : () -> tensor<?x32x2xf32>
  %angles = flow.rope_angles @tiny::@local at %start rows %t : tensor<?x32x2xf32>
  %w = flow.weight_ref @tiny::@qkv : tensor<384x64xf32, #flow.panels<bf16>>
  %hn = flow.weight_ref @tiny::@head_norm : tensor<64xf32>
  // CHECK: %[[KEY:.*]], %[[VALUE:.*]] = flow.cache_ref @tiny::@kv : tensor<?x1x64xbf16>
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x64xbf16>
  // CHECK: %[[QKV:.*]] = flow.launch @kernels::@rows_product_384x64_f32(
  // CHECK: %[[HEADS:.*]]:3 = flow.launch @kernels::@heads_4_1_64_358637bd_norms(%[[QKV]], %{{.*}}, %{{.*}}, %[[ANGLES]]) updates(%[[KEY]], %[[VALUE]] : tensor<?x1x64xbf16>, tensor<?x1x64xbf16>) step(%[[START]], %[[ROWS]]) capacity grid [2, rows, 1] threads 128
  %q, %k1, %v1 = flow.qkv_rope_append %n, %w norms %hn, %hn rope %angles into %k, %v at %start count %rows : tensor<?x64xf32, #flow.bf16_rows>, tensor<384x64xf32, #flow.panels<bf16>>, tensor<64xf32>, tensor<?x32x2xf32>, tensor<?x1x64xbf16> -> tensor<?x4x64xf32>
  %total = arith.addi %start, %rows : index
  // CHECK: %[[A:.*]] = flow.launch @kernels::@rows_attention_h4_kv1_d64_w16_{{.*}}(%[[HEADS]]#0, %[[HEADS]]#1, %[[HEADS]]#2) step(%[[START]], %[[ROWS]]) capacity grid [{{.*}}rows{{.*}}] {{.*}} -> tensor<?x256xbf16>
  %a = flow.attention %q at %start, %k1, %v1 total %total mask <causal, window = 16> blocks <first = window, size = 32> scale 1.25e-01 : tensor<?x4x64xf32>, tensor<?x1x64xbf16>
  %c = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x4x64xf32> into tensor<?x256xf32>
  %r = flow.quantize_rows %c : tensor<?x256xf32> -> tensor<?x256xf32, #flow.bf16_rows>
  %o = flow.weight_ref @tiny::@o : tensor<64x256xf32, #flow.panels<bf16>>
  // CHECK: flow.launch @kernels::@rows_product_64x256_f32(%[[A]],
  %y = flow.linear %r, %o : tensor<?x256xf32, #flow.bf16_rows>, tensor<64x256xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// The last row alone is taken out of those that made the keys, and blocks share
// its keys.
// CHECK-LABEL: func.func @last_row
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<?xi32>, %[[START:.*]]: index, %[[ROWS:.*]]: index)
func.func @last_row(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<1x64xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %angles = flow.rope_angles @tiny::@local at %start rows %t : tensor<?x32x2xf32>
  %w = flow.weight_ref @tiny::@qkv : tensor<384x64xf32, #flow.panels<bf16>>
  %k, %v = flow.cache_ref @tiny::@kv : tensor<?x1x64xbf16>
  // CHECK: %[[HEADS:.*]]:3 = flow.launch @kernels::@heads_4_1_64_358637bd(
  %q, %k1, %v1 = flow.qkv_rope_append %n, %w rope %angles into %k, %v at %start count %rows : tensor<?x64xf32, #flow.bf16_rows>, tensor<384x64xf32, #flow.panels<bf16>>, tensor<?x32x2xf32>, tensor<?x1x64xbf16> -> tensor<?x4x64xf32>
  %c1 = arith.constant 1 : index
  %last = arith.subi %rows, %c1 : index
  // CHECK: %[[Q:.*]] = flow.launch @kernels::@last_row_512(%[[HEADS]]#0) step(%[[START]], %[[ROWS]]) grid [1, 1, 1] threads 128 : (tensor<?x4x64xbf16>) -> tensor<1x4x64xbf16>
  %one = tensor.extract_slice %q[%last, 0, 0] [1, 4, 64] [1, 1, 1] : tensor<?x4x64xf32> to tensor<1x4x64xf32>
  %position = arith.addi %start, %last : index
  %total = arith.addi %start, %rows : index
  // CHECK: %[[A:.*]]:2 = flow.launch @kernels::@split_attention_h4_kv1_d64_{{.*}}(%[[Q]], %[[HEADS]]#1, %[[HEADS]]#2) step(%[[START]], %[[ROWS]]) capacity grid [64, 1, 1] {{.*}} -> (tensor<{{[0-9]+}}xf32>, tensor<1x256xbf16>)
  %a = flow.attention %one at %position, %k1, %v1 total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 : tensor<1x4x64xf32>, tensor<?x1x64xbf16>
  %c = tensor.collapse_shape %a [[0], [1, 2]] : tensor<1x4x64xf32> into tensor<1x256xf32>
  %r = flow.quantize_rows %c : tensor<1x256xf32> -> tensor<1x256xf32, #flow.bf16_rows>
  %o = flow.weight_ref @tiny::@o : tensor<64x256xf32, #flow.panels<bf16>>
  // CHECK: flow.launch @kernels::@vector_product_64x256_f32(%[[A]]#1,
  %y = flow.linear %r, %o : tensor<1x256xf32, #flow.bf16_rows>, tensor<64x256xf32, #flow.panels<bf16>> -> tensor<1x64xf32>
  return %y : tensor<1x64xf32>
}
