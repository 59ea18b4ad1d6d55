// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two layers of the shape of Gemma 3 270M, of Q8_0 blocks: the first runs all
// rows of a prefill, the last only the one whose logits are read.

flow.model @gemma <hidden = 640, vocab = 2048, positions = 32768> bf16_embedding_scale {
  flow.weight @embedding : tensor<2048x640xf32> storage q8_0 from "model.embed_tokens.weight"
  flow.weight @final_norm : tensor<640xf32> storage bf16 from "model.norm.weight" unit_offset
  flow.rope_table @rope_local theta 1.000000e+04 head_dim 256
  flow.kv_cache @kv0 kv_heads 1 head_dim 256
  flow.layer @layer0 norms sandwich attention <heads = 4, kv_heads = 1, head_dim = 256, qk_norm = true> mask <causal, window = 512> rope @rope_local cache @kv0 feed_forward <width = 2048> {
    flow.weight @attention_norm : tensor<640xf32> storage bf16 from "model.layers.0.input_layernorm.weight" unit_offset
    flow.weight @q : tensor<1024x640xf32> storage q8_0 from "model.layers.0.self_attn.q_proj.weight"
    flow.weight @k : tensor<256x640xf32> storage q8_0 from "model.layers.0.self_attn.k_proj.weight"
    flow.weight @v : tensor<256x640xf32> storage q8_0 from "model.layers.0.self_attn.v_proj.weight"
    flow.weight @q_norm : tensor<256xf32> storage bf16 from "model.layers.0.self_attn.q_norm.weight" unit_offset
    flow.weight @k_norm : tensor<256xf32> storage bf16 from "model.layers.0.self_attn.k_norm.weight" unit_offset
    flow.weight @o : tensor<640x1024xf32> storage q8_0 from "model.layers.0.self_attn.o_proj.weight"
    flow.weight @post_attention_norm : tensor<640xf32> storage bf16 from "model.layers.0.post_attention_layernorm.weight" unit_offset
    flow.weight @ffn_norm : tensor<640xf32> storage bf16 from "model.layers.0.pre_feedforward_layernorm.weight" unit_offset
    flow.weight @gate : tensor<2048x640xf32> storage q8_0 from "model.layers.0.mlp.gate_proj.weight"
    flow.weight @up : tensor<2048x640xf32> storage q8_0 from "model.layers.0.mlp.up_proj.weight"
    flow.weight @down : tensor<640x2048xf32> storage q8_0 from "model.layers.0.mlp.down_proj.weight"
    flow.weight @post_ffn_norm : tensor<640xf32> storage bf16 from "model.layers.0.post_feedforward_layernorm.weight" unit_offset
  }
  flow.kv_cache @kv1 kv_heads 1 head_dim 256
  flow.layer @layer1 norms sandwich attention <heads = 4, kv_heads = 1, head_dim = 256, qk_norm = true> mask <causal, window = 512> rope @rope_local cache @kv1 feed_forward <width = 2048> {
    flow.weight @attention_norm : tensor<640xf32> storage bf16 from "model.layers.1.input_layernorm.weight" unit_offset
    flow.weight @q : tensor<1024x640xf32> storage q8_0 from "model.layers.1.self_attn.q_proj.weight"
    flow.weight @k : tensor<256x640xf32> storage q8_0 from "model.layers.1.self_attn.k_proj.weight"
    flow.weight @v : tensor<256x640xf32> storage q8_0 from "model.layers.1.self_attn.v_proj.weight"
    flow.weight @q_norm : tensor<256xf32> storage bf16 from "model.layers.1.self_attn.q_norm.weight" unit_offset
    flow.weight @k_norm : tensor<256xf32> storage bf16 from "model.layers.1.self_attn.k_norm.weight" unit_offset
    flow.weight @o : tensor<640x1024xf32> storage q8_0 from "model.layers.1.self_attn.o_proj.weight"
    flow.weight @post_attention_norm : tensor<640xf32> storage bf16 from "model.layers.1.post_attention_layernorm.weight" unit_offset
    flow.weight @ffn_norm : tensor<640xf32> storage bf16 from "model.layers.1.pre_feedforward_layernorm.weight" unit_offset
    flow.weight @gate : tensor<2048x640xf32> storage q8_0 from "model.layers.1.mlp.gate_proj.weight"
    flow.weight @up : tensor<2048x640xf32> storage q8_0 from "model.layers.1.mlp.up_proj.weight"
    flow.weight @down : tensor<640x2048xf32> storage q8_0 from "model.layers.1.mlp.down_proj.weight"
    flow.weight @post_ffn_norm : tensor<640xf32> storage bf16 from "model.layers.1.post_feedforward_layernorm.weight" unit_offset
  }
}
