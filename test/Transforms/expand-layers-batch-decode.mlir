// RUN: flow-opt %s "--flow-expand-layers=phase=batch_decode logits=all" | FileCheck %s
// RUN: flow-opt %s "--flow-expand-layers=phase=batch_decode logits=all" --flow-fuse-qkv | FileCheck %s --check-prefix=FUSED
// RUN: not flow-opt %s "--flow-expand-layers=phase=batch_decode" 2>&1 | FileCheck %s --check-prefix=LAST

// Of each sequence a single row.

// CHECK-LABEL: func.func @batch_decode
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<?xi32>, %[[S:.*]]: tensor<?x4xi32>) -> tensor<?x512xf32> attributes {flow.phase = "batch_decode"}
// CHECK: flow.rope_angles @m::@local sequences %[[S]] rows
// CHECK: %[[K1:.*]], %[[V1:.*]] = flow.kv_append {{.*}} sequences %[[S]] single_rows :
// CHECK: flow.attention {{.*}} sequences %[[S]] single_rows, %[[K1]], %[[V1]] mask <causal, window = 16> scale
// CHECK: flow.lm_head {{.*}} -> tensor<?x512xf32>

// FUSED: flow.qkv_rope_append {{.*}} sequences %{{.*}} single_rows :

// LAST: a batch has a last row for each sequence: its logits are those of all rows or none, not 'last'
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
