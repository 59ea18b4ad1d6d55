// RUN: flow-opt %s --flow-expand-layers | FileCheck %s

// T4, T11: Angles are made once for each table that a layer uses, before the layers;
// each layer reads its own table, mask and cache, and the stream of the last.

// CHECK-LABEL: func.func @prefill
// CHECK: %[[X:.*]] = flow.embed
// CHECK-DAG: %[[LOCAL:.*]] = flow.rope_angles @m::@local
// CHECK-DAG: %[[GLOBAL:.*]] = flow.rope_angles @m::@global
// CHECK-NOT: flow.rope_angles
// CHECK: flow.rms_norm %[[X]]
// CHECK: flow.rope %{{.*}}, %[[LOCAL]]
// CHECK: flow.cache_ref @m::@kv0
// CHECK: flow.attention {{.*}} mask <causal, window = 16>
// CHECK: %[[X1:.*]] = arith.addf %[[X]],
// CHECK: %[[X2:.*]] = arith.addf %[[X1]],
// CHECK: flow.rms_norm %[[X2]]
// CHECK: flow.rope %{{.*}}, %[[GLOBAL]]
// CHECK: flow.cache_ref @m::@kv1
// CHECK: flow.attention {{.*}} mask <causal> scale
// CHECK: %[[X3:.*]] = arith.addf %[[X2]],
// CHECK: flow.rms_norm %[[X3]]
// CHECK: flow.rope %{{.*}}, %[[LOCAL]]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.rope_table @global theta 1.0e+06 head_dim 32 factor 8.0e+00
  flow.rope_table @idle theta 1.0e+06 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.kv_cache @kv1 kv_heads 1 head_dim 32
  flow.kv_cache @kv2 kv_heads 1 head_dim 32
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
  flow.layer @layer1 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @global cache @kv1 feed_forward <width = 128> {
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
  flow.layer @layer2 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal, window = 16> rope @local cache @kv2 feed_forward <width = 128> {
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
