// RUN: flow-opt %s --flow-expand-layers --flow-plan-numerics --flow-choose-layouts | FileCheck %s

// Rows that several products read are quantised once; the embedding is read as
// it is by the look-up and packed for the head.
// CHECK-LABEL: func.func @prefill
// CHECK: %[[RAW:.*]] = flow.weight_ref @m::@embedding : tensor<512x64xf32>{{$}}
// CHECK: flow.embed %{{.*}}, %[[RAW]]
// CHECK: %[[N:.*]] = flow.rms_norm
// CHECK: %[[W:.*]] = flow.weight_ref @m::@layer0::@q : tensor<64x64xf32, #flow.panels<i8, block = 32, bits = 5, offset = 16>>
// CHECK: %[[R:.*]] = flow.quantize_rows %[[N]]
// CHECK: flow.linear %[[R]], %[[W]]
// CHECK-NOT: flow.quantize_rows
// CHECK: flow.linear %[[R]]
// CHECK: flow.linear %[[R]]
// CHECK: flow.weight_ref @m::@embedding : tensor<512x64xf32, #flow.panels<i8, block = 32>>
// CHECK: flow.lm_head
// CHECK-NOT: flow.arithmetic
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms sandwich attention <heads = 2, kv_heads = 1, head_dim = 32, qk_norm = true> mask <causal, window = 16> rope @local cache @kv0 feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32> storage q5_0
    flow.weight @k : tensor<32x64xf32> storage q5_0
    flow.weight @v : tensor<32x64xf32> storage q5_0
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
