// RUN: flow-opt %s --flow-expand-layers --flow-fuse-qkv --flow-fuse-gated-mlp --flow-plan-numerics --flow-choose-layouts | FileCheck %s

// A joined weight gets a layout that holds every part; the inner rows of the
// MLP are quantised for their own product.
// CHECK: flow.weight_ref @m::@layer0::@qkv : tensor<128x64xf32, #flow.panels<i8, block = 32, min = true, bits = 5, offset = 16>>
// CHECK: flow.gated_mlp {{.*}} hidden(#flow.quantized_rows<block = 16>)
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms sandwich attention <heads = 2, kv_heads = 1, head_dim = 32, qk_norm = true> mask <causal, window = 16> rope @local cache @kv0 feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32> storage q5_0
    flow.weight @k : tensor<32x64xf32> storage q5_0
    flow.weight @v : tensor<32x64xf32> storage q4_1
    flow.weight @q_norm : tensor<32xf32>
    flow.weight @k_norm : tensor<32xf32>
    flow.weight @o : tensor<64x64xf32> storage q5_0
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32> storage q5_0
    flow.weight @up : tensor<128x64xf32> storage q5_0
    flow.weight @down : tensor<64x128xf32> storage q5_0
    flow.weight @post_ffn_norm : tensor<64xf32>
  }
}
