// RUN: flow-opt %s --flow-expand-layers --flow-fuse-qkv --remarks-filter=flow-fuse-qkv 2>&1 | FileCheck %s

// T21: Values that are the raw keys are not projected again, with and without a
// norm of their own.
// CHECK: qkv-fused
// CHECK: qkv-fused
// CHECK: flow.derived_weight @qk : tensor<96x64xf32> = concat [@q, @k]
// CHECK: flow.derived_weight @qk : tensor<96x64xf32> = concat [@q, @k]
// CHECK-LABEL: func.func @prefill
// CHECK: %[[W:.*]] = flow.weight_ref @m::@layer0::@qk : tensor<96x64xf32>
// CHECK-NEXT: flow.qkv_rope_append %{{.*}}, %[[W]] k_eq_v norms %{{.*}}, %{{.*}} v_norm rope
// CHECK-NOT: flow.kv_append
// CHECK: %[[W:.*]] = flow.weight_ref @m::@layer1::@qk : tensor<96x64xf32>
// CHECK-NEXT: flow.qkv_rope_append %{{.*}}, %[[W]] k_eq_v rope
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32, qk_norm = true, v_norm = true, k_eq_v = true> mask <causal> rope @rope cache @kv0 feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @q_norm : tensor<32xf32>
    flow.weight @k_norm : tensor<32xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
  }
  flow.kv_cache @kv1 kv_heads 1 head_dim 32
  flow.layer @layer1 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32, k_eq_v = true> mask <causal> rope @rope cache @kv1 feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
  }
}
