// T1: Recipes of other families: their specs print as they are written.
// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// Values without a norm weight, keys that are the values too, a wide head.
// CHECK-LABEL: flow.model @shared_keys
flow.model @shared_keys <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @global theta 1.0e+06 head_dim 64 pairs 8
  // CHECK: flow.layer @layer0 norms sandwich attention <heads = 2, kv_heads = 1, head_dim = 64, scale = 1.000000e+00, qk_norm = true, v_norm = true, k_eq_v = true> mask <causal> rope @global feed_forward <width = 128> {
  flow.layer @layer0 norms sandwich attention <heads = 2, kv_heads = 1, head_dim = 64, scale = 1.0, qk_norm = true, v_norm = true, k_eq_v = true> mask <causal> rope @global feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<128x64xf32>
    flow.weight @k : tensor<64x64xf32>
    flow.weight @q_norm : tensor<64xf32>
    flow.weight @k_norm : tensor<64xf32>
    flow.weight @o : tensor<64x128xf32>
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.weight @post_ffn_norm : tensor<64xf32>
  }
}

// Capped scores and experts beside the MLP; nothing is masked.
// CHECK-LABEL: flow.model @experts
flow.model @experts <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  // CHECK: attention <heads = 2, kv_heads = 1, head_dim = 32, softcap = 5.000000e+01> mask <full> rope @local feed_forward <width = 128, experts = 4, top_k = 2, expert_width = 32> {
  flow.layer @layer0 norms sandwich attention <heads = 2, kv_heads = 1, head_dim = 32, softcap = 5.0e+01> mask <full> rope @local feed_forward <width = 128, experts = 4, top_k = 2, expert_width = 32> {
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
    flow.weight @post_dense_norm : tensor<64xf32>
    flow.weight @router_scale : tensor<64xf32>
    flow.weight @router : tensor<4x64xf32>
    flow.weight @expert_scale : tensor<4xf32>
    flow.weight @expert_norm : tensor<64xf32>
    // CHECK: flow.weight @expert_gate : tensor<128x64xf32> from "gate_up" part [0, 0] groups [32, 64]
    flow.weight @expert_gate : tensor<128x64xf32> from "gate_up" part [0, 0] groups [32, 64]
    flow.weight @expert_up : tensor<128x64xf32> from "gate_up" part [32, 0] groups [32, 64]
    flow.weight @expert_down : tensor<256x32xf32>
    flow.weight @post_expert_norm : tensor<64xf32>
    flow.weight @post_ffn_norm : tensor<64xf32>
    flow.derived_weight @gate_up : tensor<256x64xf32> = interleave [@gate, @up]
  }
}

// CHECK-LABEL: flow.model @scaled
flow.model @scaled <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @rope theta 1.0e+04 head_dim 32
  // CHECK: flow.layer @layer0 norms pre {{.*}} feed_forward <width = 128> layer_scalar {
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

// A layer that reads the keys and values of an earlier one.
// CHECK-LABEL: flow.model @one_cache
flow.model @one_cache <hidden = 64, vocab = 512, positions = 256> {
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
  // CHECK: flow.layer @layer1 {{.*}} cache @kv0 shared feed_forward
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

// CHECK-LABEL: flow.model @per_layer
flow.model @per_layer <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @rope theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  // CHECK: flow.layer @layer0 {{.*}} feed_forward <width = 128> per_layer 32 {
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
