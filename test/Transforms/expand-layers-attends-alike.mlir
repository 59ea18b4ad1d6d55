// RUN: flow-opt %s --flow-expand-layers --flow-expand-layers=phase=decode | FileCheck %s

// T12, T17: mask, scale and cap of a layer are those of both steps, and so is
// where its queries stand.

// CHECK-LABEL: func.func @decode(
// CHECK-SAME: %[[TOKENS:.*]]: tensor<1xi32>, %[[START:.*]]: index, %[[COUNT:.*]]: index)
// CHECK: %[[TOTAL:.*]] = arith.addi %[[START]], %[[COUNT]]
// CHECK: flow.attention %{{.*}} at %[[START]], %{{.*}}, %{{.*}} total %[[TOTAL]] mask <causal, window = 16> scale 0.0833{{[0-9]*}} softcap 5.000000e+01 : tensor<1x2x32xf32>
// CHECK-LABEL: func.func @prefill(
// CHECK-SAME: %[[TOKENS:.*]]: tensor<?xi32>, %[[START:.*]]: index, %[[COUNT:.*]]: index)
// CHECK: %[[TOTAL:.*]] = arith.addi %[[START]], %[[COUNT]]
// CHECK: flow.attention %{{.*}} at %[[START]], %{{.*}}, %{{.*}} total %[[TOTAL]] mask <causal, window = 16> scale 0.0833{{[0-9]*}} softcap 5.000000e+01 : tensor<?x2x32xf32>
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32, scale = 8.3333333333333329e-02, softcap = 5.0e+01> mask <causal, window = 16> rope @local cache @kv0 feed_forward <width = 128> {
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
