// RUN: flow-opt %s --flow-expand-layers="phase=prefill top-k=8" --mlir-print-local-scope --mlir-print-debuginfo | FileCheck %s
// RUN: flow-opt %s --flow-stages="phase=decode top-k=8" | FileCheck %s --check-prefix=FUSED

// Candidates are those of the last row.
// CHECK-LABEL: func.func @prefill
// CHECK-SAME: -> (tensor<1x8xf32>, tensor<1x8xi32>)
// CHECK: %[[L:.*]] = flow.lm_head {{.*}} -> tensor<1x512xf32> loc("head/logits")
// CHECK: %[[V:.*]], %[[I:.*]] = flow.top_k %[[L]] : tensor<1x512xf32> -> tensor<1x8xf32> loc("head/candidates")
// CHECK: return %[[V]], %[[I]]

// FUSED-LABEL: func.func @decode
// FUSED-SAME: -> (tensor<1x8xf32>, tensor<1x8xi32>)
// FUSED: %[[B:.*]]:2 = call @decode_head
// FUSED: return %[[B]]#0, %[[B]]#1
// FUSED: func.func private @decode_head
// FUSED-NOT: flow.lm_head{{ }}
// FUSED: flow.lm_head_top_k
// FUSED-NOT: flow.top_k
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
