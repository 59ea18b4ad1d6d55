// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms pre
      attention <heads = 2, kv_heads = 1, head_dim = 32>
      mask <causal, window = 16> rope @local cache @kv0
      feed_forward <width = 128> {
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

// CHECK-LABEL: @references
func.func @references(%start: index, %rows: index) {
  // CHECK: flow.weight_ref @tiny::@layer0::@q : tensor<64x64xf32>
  %w = flow.weight_ref @tiny::@layer0::@q : tensor<64x64xf32>
  // CHECK: flow.weight_ref @tiny::@layer0::@q : tensor<64x64xf32, #flow.panels<f32>>
  %p = flow.weight_ref @tiny::@layer0::@q : tensor<64x64xf32, #flow.panels<f32>>
  // CHECK: flow.cache_ref @tiny::@kv0 : tensor<?x1x32xf32>
  %k, %v = flow.cache_ref @tiny::@kv0 : tensor<?x1x32xf32>
  // CHECK: flow.rope_angles @tiny::@local at %{{.*}} rows %{{.*}} : tensor<?x16x2xf32>
  %a = flow.rope_angles @tiny::@local at %start rows %rows : tensor<?x16x2xf32>
  return
}
