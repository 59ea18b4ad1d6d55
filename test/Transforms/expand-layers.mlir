// RUN: flow-opt %s --flow-expand-layers | FileCheck %s

// T4, T16: The stages of a Gemma 3 layer, in order, between embedding and head.

// CHECK-LABEL: func.func @prefill
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<?xi32>, %[[START:.*]]: index, %[[COUNT:.*]]: index) -> tensor<1x512xf32> attributes {flow.phase = "prefill"}
// CHECK: %[[TOTAL:.*]] = arith.addi %[[START]], %[[COUNT]]
// CHECK: %[[X:.*]] = flow.embed %[[TOKENS]], %{{.*}} scale 8.000000e+00
// CHECK: %[[ANGLES:.*]] = flow.rope_angles @m::@local at %[[START]] rows
// CHECK: %[[N:.*]] = flow.rms_norm %[[X]] scale
// CHECK: flow.weight_ref @m::@layer0::@q
// CHECK: %[[Q:.*]] = flow.linear %[[N]]
// CHECK: tensor.expand_shape %[[Q]] {{.*}} : tensor<?x64xf32> into tensor<?x2x32xf32>
// CHECK: %[[K:.*]] = flow.linear %[[N]]
// CHECK: %[[V:.*]] = flow.linear %[[N]]
// CHECK: %[[VH:.*]] = tensor.expand_shape %[[V]]
// CHECK: flow.rms_norm {{.*}} : tensor<?x2x32xf32>
// CHECK: %[[QR:.*]] = flow.rope %{{.*}}, %[[ANGLES]] : tensor<?x2x32xf32>
// CHECK: flow.rms_norm {{.*}} : tensor<?x1x32xf32>
// CHECK: %[[KR:.*]] = flow.rope %{{.*}}, %[[ANGLES]] : tensor<?x1x32xf32>
// CHECK: %[[CACHE:.*]], %[[VCACHE:.*]] = flow.cache_ref @m::@kv0
// CHECK: %[[K1:.*]], %[[V1:.*]] = flow.kv_append %[[KR]], %[[VH]] into %[[CACHE]], %[[VCACHE]] at %[[START]] count %[[COUNT]]
// CHECK: %[[O:.*]] = flow.attention %[[QR]] at %[[START]], %[[K1]], %[[V1]] total %[[TOTAL]] mask <causal, window = 16> scale 0.17677{{.*}}
// CHECK: tensor.collapse_shape %[[O]]
// CHECK: %[[AO:.*]] = flow.linear
// CHECK: %[[AN:.*]] = flow.rms_norm %[[AO]]
// CHECK: %[[X1:.*]] = arith.addf %[[X]], %[[AN]]
// CHECK: %[[F:.*]] = flow.rms_norm %[[X1]]
// CHECK: %[[G:.*]] = flow.linear %[[F]]
// CHECK: %[[U:.*]] = flow.linear %[[F]]
// CHECK: %[[H:.*]] = flow.geglu %[[G]], %[[U]]
// CHECK: %[[D:.*]] = flow.linear %[[H]]
// CHECK: %[[DN:.*]] = flow.rms_norm %[[D]]
// CHECK: %[[X2:.*]] = arith.addf %[[X1]], %[[DN]]
// CHECK: %[[LAST:.*]] = arith.subi %[[COUNT]]
// CHECK: %[[ROW:.*]] = tensor.extract_slice %[[X2]][%[[LAST]], 0] [1, 64] [1, 1]
// CHECK: %[[FINAL:.*]] = flow.rms_norm %[[ROW]]
// CHECK: %[[TABLE:.*]] = flow.weight_ref @m::@embedding
// CHECK: %[[LOGITS:.*]] = flow.lm_head %[[FINAL]], %[[TABLE]]
// CHECK: return %[[LOGITS]]
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
