// Gemma 4 E2B and E4B, a layer that shares: queries only, a wider MLP, embeddings of the layer.
flow.model @gemma4_e2b <hidden = 64, vocab = 512, positions = 4096, final_softcap = 3.0e+01> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope_local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms sandwich
      attention <heads = 2, kv_heads = 1, head_dim = 32, scale = 1.0, qk_norm = true, v_norm = true>
      mask <causal, window = 512> rope @rope_local cache @kv0
      feed_forward <width = 128> per_layer 32 layer_scalar {
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
    flow.weight @per_layer_tokens : tensor<512x32xf32> storage q8_0 from "per_layer_token_embd.weight" part [0, 0]
    flow.weight @per_layer_context : tensor<32x64xf32> storage q8_0 from "per_layer_model_proj.weight" part [0, 0]
    flow.weight @per_layer_context_norm : tensor<32xf32>
    flow.weight @per_layer_gate : tensor<32x64xf32> storage q8_0
    flow.weight @per_layer_output : tensor<64x32xf32> storage q8_0
    flow.weight @post_per_layer_norm : tensor<64xf32>
    flow.weight @layer_scalar : tensor<1xf32>
  }
  flow.layer @layer1 norms sandwich
      attention <heads = 2, kv_heads = 1, head_dim = 32, scale = 1.0, qk_norm = true, v_norm = true>
      mask <causal, window = 512> rope @rope_local cache @kv0 shared
      feed_forward <width = 256> per_layer 32 layer_scalar {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32> storage q8_0
    flow.weight @q_norm : tensor<32xf32>
    flow.weight @o : tensor<64x64xf32> storage q8_0
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<256x64xf32> storage q8_0
    flow.weight @up : tensor<256x64xf32> storage q8_0
    flow.weight @down : tensor<64x256xf32> storage q8_0
    flow.weight @post_ffn_norm : tensor<64xf32>
    flow.weight @per_layer_tokens : tensor<512x32xf32> storage q8_0 from "per_layer_token_embd.weight" part [0, 32]
    flow.weight @per_layer_context : tensor<32x64xf32> storage q8_0 from "per_layer_model_proj.weight" part [32, 0]
    flow.weight @per_layer_context_norm : tensor<32xf32>
    flow.weight @per_layer_gate : tensor<32x64xf32> storage q8_0
    flow.weight @per_layer_output : tensor<64x32xf32> storage q8_0
    flow.weight @post_per_layer_norm : tensor<64xf32>
    flow.weight @layer_scalar : tensor<1xf32>
  }
}
