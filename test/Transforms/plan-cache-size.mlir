// RUN: flow-opt %s --flow-expand-layers --flow-plan-cache=chunk=32 --remarks-filter=flow-plan-cache 2>&1 >/dev/null | FileCheck %s
// RUN: flow-opt %s --flow-expand-layers=cache-type=bf16 --flow-plan-cache=chunk=32 --remarks-filter=flow-plan-cache 2>&1 >/dev/null | FileCheck %s --check-prefix=SHORT
// RUN: not flow-opt %s --flow-plan-cache=chunk=0 2>&1 | FileCheck %s --check-prefix=CHUNK

// 15 older keys and a step of 32 rows need 47 rows, so two blocks of 32.
// CHECK: bytes=16384, capacity=64
// SHORT: bytes=8192, capacity=64
// CHUNK: chunk must be positive, got 0
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
