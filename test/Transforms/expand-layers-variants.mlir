// RUN: flow-opt %s --flow-expand-layers --split-input-file | FileCheck %s

// T4: Values are the raw keys, before norm and rotation, and are normed themselves.
// CHECK-LABEL: func.func @prefill
// CHECK: %[[K:.*]] = tensor.expand_shape {{.*}} into tensor<?x1x32xf32>
// CHECK-NOT: @v :
// CHECK: %[[KN:.*]] = flow.rms_norm %[[K]] scale
// CHECK: flow.rope %[[KN]]
// CHECK: %[[VN:.*]] = flow.rms_norm %[[K]] : tensor<?x1x32xf32>
// CHECK: flow.kv_append %{{.*}}, %[[VN]]
// CHECK: flow.attention {{.*}} scale 1.000000e+00
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms sandwich attention <heads = 2, kv_heads = 1, head_dim = 32, scale = 1.0, qk_norm = true, v_norm = true, k_eq_v = true> mask <causal, window = 16> rope @local cache @kv0 feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @q_norm : tensor<32xf32>
    flow.weight @k_norm : tensor<32xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.weight @post_ffn_norm : tensor<64xf32>
  }
}

// -----

// A layer without a cache attends within the step; a head of its own is used,
// and the cap on scores is kept.
// CHECK-LABEL: func.func @prefill
// CHECK-NOT: flow.kv_append
// CHECK: %[[K:.*]] = flow.rope {{.*}} : tensor<?x1x32xf32>
// CHECK: flow.attention %{{.*}} at %{{.*}}, %[[K]], {{.*}} softcap 5.000000e+01
// CHECK: flow.weight_ref @m::@head
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.weight @head : tensor<512x64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.layer @layer0 norms sandwich attention <heads = 2, kv_heads = 1, head_dim = 32, softcap = 5.0e+01> mask <causal, window = 16> rope @local feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.weight @post_ffn_norm : tensor<64xf32>
  }
}

// -----

// The stream, residual included, is multiplied in the end.
// CHECK-LABEL: func.func @prefill
// CHECK: %[[X:.*]] = arith.addf
// CHECK: %[[SUM:.*]] = arith.addf %[[X]]
// CHECK: %[[C:.*]] = flow.weight_ref @m::@layer0::@layer_scalar : tensor<1xf32>
// CHECK: %[[Y:.*]] = flow.scale %[[SUM]] by %[[C]]
// CHECK: tensor.extract_slice %[[Y]]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope theta 1.0e+04 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @rope feed_forward <width = 128> layer_scalar {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.weight @layer_scalar : tensor<1xf32>
  }
}

// -----

// A layer that shares projects queries only and reads what was appended.
// CHECK-LABEL: func.func @prefill
// CHECK: %[[K:.*]], %[[V:.*]] = flow.kv_append
// CHECK: flow.attention %{{.*}} at %arg1, %[[K]], %[[V]] total
// CHECK: flow.weight_ref @m::@layer1::@q
// CHECK-NOT: flow.kv_append
// CHECK: flow.attention %{{.*}} at %arg1, %[[K]], %[[V]] total
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @rope cache @kv0 feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
  }
  flow.layer @layer1 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @rope cache @kv0 shared feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
  }
}

// -----

// The two halves meet behind the norm of the context, whose epsilon stands for
// its factor, and pass the gate.
// CHECK-LABEL: func.func @prefill
// CHECK: %[[X0:.*]] = flow.embed %arg0, %{{.*}} scale 8.000000e+00
// CHECK: %[[X:.*]] = arith.addf
// CHECK: %[[SUM:.*]] = arith.addf %[[X]]
// CHECK: %[[T:.*]] = flow.embed %arg0, %{{.*}} scale 5.65685
// CHECK: %[[C:.*]] = flow.linear %[[X0]]
// CHECK: %[[CN:.*]] = flow.rms_norm %[[C]] scale %{{.*}} eps 6.400000e-05
// CHECK: %[[BOTH:.*]] = arith.addf %[[CN]], %[[T]]
// CHECK: %[[G:.*]] = flow.linear %[[SUM]]
// CHECK: %[[H:.*]] = flow.geglu %[[G]], %[[BOTH]]
// CHECK: %[[O:.*]] = flow.linear %[[H]]
// CHECK: %[[N:.*]] = flow.rms_norm %[[O]] scale %{{.*}} eps 2.000000e-06
// CHECK: arith.addf %[[SUM]], %[[N]]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @rope cache @kv0 feed_forward <width = 128> per_layer 32 {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.weight @per_layer_tokens : tensor<512x32xf32>
    flow.weight @per_layer_context : tensor<32x64xf32>
    flow.weight @per_layer_context_norm : tensor<32xf32>
    flow.weight @per_layer_gate : tensor<32x64xf32>
    flow.weight @per_layer_output : tensor<64x32xf32>
    flow.weight @post_per_layer_norm : tensor<64xf32>
  }
}
