// Gemma 4 26B-A4B, a full layer: 32 experts beside the MLP, of which each row takes 4.
flow.model @gemma4 <hidden = 64, vocab = 512, positions = 4096, final_softcap = 3.0e+01> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope_global theta 1.0e+06 head_dim 64 pairs 8
  flow.kv_cache @kv0 kv_heads 1 head_dim 64
  flow.layer @layer0 norms sandwich
      attention <heads = 2, kv_heads = 1, head_dim = 64, scale = 1.0, qk_norm = true, v_norm = true, k_eq_v = true>
      mask <causal> rope @rope_global cache @kv0
      feed_forward <width = 128, experts = 32, top_k = 4, expert_width = 32> layer_scalar {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<128x64xf32> storage q8_0
    flow.weight @k : tensor<64x64xf32> storage q8_0
    flow.weight @q_norm : tensor<64xf32>
    flow.weight @k_norm : tensor<64xf32>
    flow.weight @o : tensor<64x128xf32> storage q8_0
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32> storage q8_0
    flow.weight @up : tensor<128x64xf32> storage q8_0
    flow.weight @down : tensor<64x128xf32> storage q8_0
    flow.weight @post_dense_norm : tensor<64xf32>
    flow.weight @router_scale : tensor<64xf32>
    flow.weight @router : tensor<32x64xf32>
    flow.weight @expert_scale : tensor<32xf32>
    flow.weight @expert_norm : tensor<64xf32>
    flow.weight @expert_gate : tensor<1024x64xf32> storage q8_0 from "gate_up" part [0, 0] groups [32, 64]
    flow.weight @expert_up : tensor<1024x64xf32> storage q8_0 from "gate_up" part [32, 0] groups [32, 64]
    flow.weight @expert_down : tensor<2048x32xf32> storage q8_0
    flow.weight @post_expert_norm : tensor<64xf32>
    flow.weight @post_ffn_norm : tensor<64xf32>
    flow.weight @layer_scalar : tensor<1xf32>
  }
}
