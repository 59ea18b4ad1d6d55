// RUN: flow-opt %s --flow-expand-layers --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s

// T26: Names say where a stage comes from; they travel to symbols and profiles.

// CHECK: flow.embed {{.*}} loc("embed")
// CHECK: flow.rope_angles {{.*}} loc("rope/local")
// CHECK: flow.rms_norm {{.*}} loc("layer0/attention_norm")
// CHECK: flow.linear {{.*}} loc("layer0/attention/q")
// CHECK: flow.linear {{.*}} loc("layer0/attention/k")
// CHECK: flow.linear {{.*}} loc("layer0/attention/v")
// CHECK: flow.rms_norm {{.*}} loc("layer0/attention/q_norm")
// CHECK: flow.rope {{.*}} loc("layer0/attention/q_rope")
// CHECK: flow.rms_norm {{.*}} loc("layer0/attention/k_norm")
// CHECK: flow.rope {{.*}} loc("layer0/attention/k_rope")
// CHECK: flow.kv_append {{.*}} loc("layer0/attention/append")
// CHECK: flow.attention {{.*}} loc("layer0/attention/attend")
// CHECK: flow.linear {{.*}} loc("layer0/attention/o")
// CHECK: flow.rms_norm {{.*}} loc("layer0/post_attention_norm")
// CHECK: arith.addf {{.*}} loc("layer0/attention_add")
// CHECK: flow.rms_norm {{.*}} loc("layer0/ffn_norm")
// CHECK: flow.linear {{.*}} loc("layer0/ffn/gate")
// CHECK: flow.linear {{.*}} loc("layer0/ffn/up")
// CHECK: flow.geglu {{.*}} loc("layer0/ffn/geglu")
// CHECK: flow.linear {{.*}} loc("layer0/ffn/down")
// CHECK: flow.rms_norm {{.*}} loc("layer0/post_ffn_norm")
// CHECK: arith.addf {{.*}} loc("layer0/ffn_add")
// CHECK: flow.rms_norm {{.*}} loc("head/norm")
// CHECK: flow.lm_head {{.*}} loc("head/logits")
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
