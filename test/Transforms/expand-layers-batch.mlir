// RUN: flow-opt %s "--flow-expand-layers=phase=batch logits=all" | FileCheck %s
// RUN: flow-opt %s "--flow-expand-layers=phase=batch logits=all" --flow-fuse-qkv --flow-slice-last-token --flow-plan-cache | FileCheck %s --check-prefix=FUSED

// Rows of several sequences differ from those of one only in where they stand.

// CHECK-LABEL: func.func @batch
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<?xi32>, %[[S:.*]]: tensor<?x4xi32>) -> tensor<?x512xf32> attributes {flow.phase = "batch"}
// CHECK: %[[ROWS:.*]] = tensor.dim %[[TOKENS]]
// CHECK: %[[A:.*]] = flow.rope_angles @m::@local sequences %[[S]] rows %[[ROWS]]
// CHECK: %[[Q:.*]] = flow.rope %{{.*}}, %[[A]] : tensor<?x2x32xf32>
// CHECK: %[[K:.*]] = flow.rope %{{.*}}, %[[A]] : tensor<?x1x32xf32>
// CHECK: %[[KC:.*]], %[[VC:.*]] = flow.cache_ref @m::@kv0 : tensor<?x?x1x32xf32>
// CHECK: %[[K1:.*]], %[[V1:.*]] = flow.kv_append %[[K]], %{{.*}} into %[[KC]], %[[VC]] sequences %[[S]] : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
// CHECK: flow.attention %[[Q]] sequences %[[S]], %[[K1]], %[[V1]] mask <causal, window = 16> scale
// CHECK-NOT: tensor.extract_slice
// CHECK: flow.lm_head {{.*}} -> tensor<?x512xf32>

// FUSED: flow.kv_cache @kv0 {{.*}} ring 16
// FUSED: %[[Q:.*]], %[[K1:.*]], %[[V1:.*]] = flow.qkv_rope_append %{{.*}}, %{{.*}} rope %{{.*}} into %{{.*}}, %{{.*}} sequences %[[S:.*]] : {{.*}}, tensor<?x?x1x32xf32> -> tensor<?x2x32xf32>
// FUSED: flow.attention %[[Q]] sequences %[[S]], %[[K1]], %[[V1]]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal, window = 16> rope @local cache @kv0 feed_forward <width = 128> {
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
