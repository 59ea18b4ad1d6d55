// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @local feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.derived_weight @qkv : tensor<128x64xf32> = concat [@q, @k, @v]
  }
}

// CHECK-LABEL: @weight_ref
func.func @weight_ref() {
  // CHECK: flow.weight_ref @tiny::@layer0::@q : tensor<64x64xf32>
  %w = flow.weight_ref @tiny::@layer0::@q : tensor<64x64xf32>
  // CHECK: flow.weight_ref @tiny::@layer0::@q : tensor<64x64xf32, #flow.panels<f32>>
  %p = flow.weight_ref @tiny::@layer0::@q : tensor<64x64xf32, #flow.panels<f32>>
  // CHECK: flow.weight_ref @tiny::@layer0::@q : tensor<64x64xbf16>
  %b = flow.weight_ref @tiny::@layer0::@q : tensor<64x64xbf16>
  return
}

// CHECK-LABEL: @derived_and_vectors
func.func @derived_and_vectors() {
  // CHECK: flow.weight_ref @tiny::@layer0::@qkv : tensor<128x64xf32>
  %w = flow.weight_ref @tiny::@layer0::@qkv : tensor<128x64xf32>
  // CHECK: flow.weight_ref @tiny::@final_norm : tensor<64xf32>
  %n = flow.weight_ref @tiny::@final_norm : tensor<64xf32>
  return
}
