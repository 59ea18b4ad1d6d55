// RUN: not flow-opt %s --flow-expand-layers=phase=train 2>&1 | FileCheck %s --check-prefix=PHASE
// RUN: not flow-opt %s --flow-expand-layers=logits=some 2>&1 | FileCheck %s --check-prefix=LOGITS
// RUN: not flow-opt %s --flow-expand-layers=cache-type=i8 2>&1 | FileCheck %s --check-prefix=CACHE

// CACHE: unknown cache-type 'i8', expected f32, bf16 or f16
// PHASE: unknown phase 'train', expected prefill, decode, verify, batch or batch_decode
// LOGITS: unknown logits 'some', expected last, all or none
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms sandwich attention <heads = 2, kv_heads = 1, head_dim = 32, qk_norm = true> mask <causal, window = 16> rope @local cache @kv0 feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @q_norm : tensor<32xf32>
    flow.weight @k_norm : tensor<32xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.weight @post_ffn_norm : tensor<64xf32>
  }
}
