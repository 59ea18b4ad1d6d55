// RUN: flow-opt %s --flow-expand-layers | FileCheck %s

// T4: Gemma 1: two norms, none after the branches, none on heads.

// CHECK-LABEL: func.func @prefill
// CHECK-COUNT-1: flow.rms_norm
// CHECK: flow.attention
// CHECK: %[[AO:.*]] = flow.linear
// CHECK: arith.addf %{{.*}}, %[[AO]]
// CHECK: flow.rms_norm
// CHECK: %[[D:.*]] = flow.linear %{{.*}}, %{{.*}} : tensor<?x128xf32>
// CHECK: arith.addf %{{.*}}, %[[D]]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @local cache @kv0 feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
  }
}
