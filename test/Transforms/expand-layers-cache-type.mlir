// RUN: flow-opt %s --flow-expand-layers=cache-type=f16 | FileCheck %s
// RUN: flow-opt %s --flow-expand-layers | FileCheck %s --check-prefix=PLAIN

// A cache that names its type keeps it, the other gets that of the option.
// CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 32 type bf16{{$}}
// CHECK: flow.kv_cache @kv1 kv_heads 1 head_dim 32 type f16{{$}}
// CHECK: func.func @prefill
// CHECK: flow.cache_ref @m::@kv0 : tensor<?x1x32xbf16>
// CHECK: flow.kv_append {{.*}} : tensor<?x1x32xf32>, tensor<?x1x32xbf16>
// CHECK: flow.attention {{.*}} : tensor<?x2x32xf32>, tensor<?x1x32xbf16>
// CHECK: flow.cache_ref @m::@kv1 : tensor<?x1x32xf16>

// PLAIN: flow.kv_cache @kv1 kv_heads 1 head_dim 32{{$}}
// PLAIN: flow.cache_ref @m::@kv1 : tensor<?x1x32xf32>
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32 type bf16
  flow.kv_cache @kv1 kv_heads 1 head_dim 32
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
  flow.layer @layer1 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @local cache @kv1 feed_forward <width = 128> {
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
