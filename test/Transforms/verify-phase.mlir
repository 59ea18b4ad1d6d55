// RUN: flow-opt %s --flow-verify-phase=phase=recipe
// RUN: flow-opt %s --flow-expand-layers --flow-verify-phase=phase=stages
// RUN: not flow-opt %s --flow-expand-layers --flow-verify-phase=phase=fused 2>&1 | FileCheck %s --check-prefix=FUSED
// RUN: flow-opt %s --flow-stages --flow-verify-phase=phase=fused --flow-verify-phase=phase=shared
// RUN: not flow-opt %s --flow-stages --flow-verify-phase=phase=stages 2>&1 | FileCheck %s --check-prefix=STAGES
// RUN: not flow-opt %s --flow-expand-layers --flow-verify-phase=phase=shared 2>&1 | FileCheck %s --check-prefix=SHARED
// RUN: not flow-opt %s --flow-verify-phase=phase=final 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// T12

// FUSED: reads a weight without layout: flow-choose-layouts must run
// STAGES: has a layout before layouts are chosen
// SHARED: is left in a schedule: flow-share-layers must move it into a function
// UNKNOWN: unknown phase 'final', expected recipe, stages, fused or shared
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
