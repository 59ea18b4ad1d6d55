// RUN: flow-opt %s --flow-expand-layers --split-input-file | FileCheck %s

// T15: sqrt(96) is 9.79795933 as f32.
// CHECK-LABEL: func.func @prefill
// CHECK: flow.embed {{.*}} scale 9.7979593
flow.model @m <hidden = 96, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x96xf32>
  flow.weight @final_norm : tensor<96xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal, window = 16> rope @local feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<96xf32>
    flow.weight @q : tensor<64x96xf32>
    flow.weight @k : tensor<32x96xf32>
    flow.weight @v : tensor<32x96xf32>
    flow.weight @o : tensor<96x64xf32>
    flow.weight @ffn_norm : tensor<96xf32>
    flow.weight @gate : tensor<128x96xf32>
    flow.weight @up : tensor<128x96xf32>
    flow.weight @down : tensor<96x128xf32>
  }
}

// -----

// Its neighbours as bf16 are 9.75 and 9.8125; those of sqrt(32) 5.65625 and
// 5.6875.
// CHECK-LABEL: func.func @prefill
// CHECK: flow.embed {{.*}} scale 9.812500e+00
// CHECK: flow.embed {{.*}} scale 5.656250e+00
flow.model @m <hidden = 96, vocab = 512, positions = 256> bf16_embedding_scale {
  flow.weight @embedding : tensor<512x96xf32>
  flow.weight @final_norm : tensor<96xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal, window = 16> rope @local feed_forward <width = 128> per_layer 32 {
    flow.weight @attention_norm : tensor<96xf32>
    flow.weight @q : tensor<64x96xf32>
    flow.weight @k : tensor<32x96xf32>
    flow.weight @v : tensor<32x96xf32>
    flow.weight @o : tensor<96x64xf32>
    flow.weight @ffn_norm : tensor<96xf32>
    flow.weight @gate : tensor<128x96xf32>
    flow.weight @up : tensor<128x96xf32>
    flow.weight @down : tensor<96x128xf32>
    flow.weight @per_layer_tokens : tensor<512x32xf32>
    flow.weight @per_layer_context : tensor<32x96xf32>
    flow.weight @per_layer_context_norm : tensor<32xf32>
    flow.weight @per_layer_gate : tensor<32x96xf32>
    flow.weight @per_layer_output : tensor<96x32xf32>
    flow.weight @post_per_layer_norm : tensor<96xf32>
  }
}
