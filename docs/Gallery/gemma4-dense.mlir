// Gemma 4, a full layer of 12B and 31B: values that are the raw keys, a quarter of the pairs turned, a scalar on the stream.
flow.model @gemma4 <hidden = 64, vocab = 512, positions = 4096, final_softcap = 3.0e+01> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope_global theta 1.0e+06 head_dim 64 pairs 8
  flow.kv_cache @kv0 kv_heads 1 head_dim 64
  flow.layer @layer0 norms sandwich
      attention <heads = 2, kv_heads = 1, head_dim = 64, scale = 1.0, qk_norm = true, v_norm = true, k_eq_v = true>
      mask <causal> rope @rope_global cache @kv0
      feed_forward <width = 128> layer_scalar {
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
    flow.weight @post_ffn_norm : tensor<64xf32>
    flow.weight @layer_scalar : tensor<1xf32>
  }
}
