// RUN: flow-opt %s --convert-flow-to-gpu=warpgroups=true | FileCheck %s

// With wgmma the first parameters of attention of rows are tensor maps of keys
// and values, whose boxes the kernel names. Heads of 512 attend by mma.sync.
flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 64
  flow.rope_table @global theta 1.0e+04 head_dim 512
  flow.kv_cache @kv kv_heads 1 head_dim 64 type bf16
  flow.kv_cache @wide kv_heads 1 head_dim 512 type bf16
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @qkv : tensor<384x64xf32>
  flow.weight @wide_qkv : tensor<2048x64xf32>
  flow.weight @o64 : tensor<64x256xf32>
  flow.weight @o512 : tensor<64x1024xf32>
}

// CHECK-LABEL: func.func @heads_of_64
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<?xi32>, %[[START:.*]]: index, %[[ROWS:.*]]: index)
func.func @heads_of_64(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<?x64xf32> {
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
  %total = arith.addi %start, %rows : index
  // CHECK: flow.launch @kernels::@warpgroup_attention_h4_kv1_d64_w16_{{.*}}(%[[HEADS]]#1, %[[HEADS]]#2, %[[HEADS]]#0) step(%[[START]], %[[ROWS]]) capacity grid [rows * 4 per 64, 1, 1] threads 160 shared 57392
  %a = flow.attention %q at %start, %k1, %v1 total %total mask <causal, window = 16> blocks <first = window, size = 32> scale 1.25e-01 : tensor<?x4x64xf32>, tensor<?x1x64xbf16>
  %c = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x4x64xf32> into tensor<?x256xf32>
  %r = flow.quantize_rows %c : tensor<?x256xf32> -> tensor<?x256xf32, #flow.bf16_rows>
  %o = flow.weight_ref @tiny::@o64 : tensor<64x256xf32, #flow.panels<bf16>>
  %y = flow.linear %r, %o : tensor<?x256xf32, #flow.bf16_rows>, tensor<64x256xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @heads_of_512
func.func @heads_of_512(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %angles = flow.rope_angles @tiny::@global at %start rows %t : tensor<?x256x2xf32>
  %w = flow.weight_ref @tiny::@wide_qkv : tensor<2048x64xf32, #flow.panels<bf16>>
  %k, %v = flow.cache_ref @tiny::@wide : tensor<?x1x512xbf16>
  %q, %k1, %v1 = flow.qkv_rope_append %n, %w rope %angles into %k, %v at %start count %rows : tensor<?x64xf32, #flow.bf16_rows>, tensor<2048x64xf32, #flow.panels<bf16>>, tensor<?x256x2xf32>, tensor<?x1x512xbf16> -> tensor<?x2x512xf32>
  %total = arith.addi %start, %rows : index
  // CHECK: flow.launch @kernels::@rows_attention_h2_kv1_d512_
  %a = flow.attention %q at %start, %k1, %v1 total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 : tensor<?x2x512xf32>, tensor<?x1x512xbf16>
  %c = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x2x512xf32> into tensor<?x1024xf32>
  %r = flow.quantize_rows %c : tensor<?x1024xf32> -> tensor<?x1024xf32, #flow.bf16_rows>
  %o = flow.weight_ref @tiny::@o512 : tensor<64x1024xf32, #flow.panels<bf16>>
  %y = flow.linear %r, %o : tensor<?x1024xf32, #flow.bf16_rows>, tensor<64x1024xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK: gpu.func @warpgroup_attention_h4_kv1_d64_w16_{{[^(]*}}(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr<1> {{.*}}) kernel attributes {flow.boxes = array<i64: 64, 64, 64, 64>
