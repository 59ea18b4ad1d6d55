// Gemma 3: norms on query and key heads, two rotations, windows in five of six layers.
flow.model @gemma3 <hidden = 64, vocab = 512, positions = 4096> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope_local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms sandwich
      attention <heads = 2, kv_heads = 1, head_dim = 32, qk_norm = true>
      mask <causal, window = 512> rope @rope_local cache @kv0
      feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32> storage q8_0
    flow.weight @k : tensor<32x64xf32> storage q8_0
    flow.weight @v : tensor<32x64xf32> storage q8_0
    flow.weight @q_norm : tensor<32xf32>
    flow.weight @k_norm : tensor<32xf32>
    flow.weight @o : tensor<64x64xf32> storage q8_0
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32> storage q8_0
    flow.weight @up : tensor<128x64xf32> storage q8_0
    flow.weight @down : tensor<64x128xf32> storage q8_0
    flow.weight @post_ffn_norm : tensor<64xf32>
  }
}
