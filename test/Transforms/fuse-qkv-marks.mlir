// RUN: flow-opt %s --flow-fuse-qkv --remarks-filter=flow-fuse-qkv \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// What flow-plan-numerics has chosen for three products holds for their fusion.

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32> storage q8_0
  flow.weight @k : tensor<32x64xf32> storage q8_0
  flow.weight @v : tensor<32x64xf32> storage q8_0
}
// CHECK-LABEL: @carries
func.func @carries(%x: tensor<1x64xf32>, %a: tensor<1x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %i: index, %n: index) -> tensor<1x2x32xf32> {
  // CHECK: flow.qkv_rope_append {{.*}} {flow.arithmetic = "i8"}
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %q = flow.linear %x, %wq {flow.arithmetic = "i8"} : tensor<1x64xf32>, tensor<64x64xf32> -> tensor<1x64xf32>
  %k = flow.linear %x, %wk {flow.arithmetic = "i8"} : tensor<1x64xf32>, tensor<32x64xf32> -> tensor<1x32xf32>
  %v = flow.linear %x, %wv {flow.arithmetic = "i8"} : tensor<1x64xf32>, tensor<32x64xf32> -> tensor<1x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [1, 2, 32] : tensor<1x64xf32> into tensor<1x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [1, 1, 32] : tensor<1x32xf32> into tensor<1x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [1, 1, 32] : tensor<1x32xf32> into tensor<1x1x32xf32>
  %qr = flow.rope %qh, %a : tensor<1x2x32xf32>, tensor<1x16x2xf32>
  %kr = flow.rope %kh, %a : tensor<1x1x32xf32>, tensor<1x16x2xf32>
  // expected-remark @below {{[Passed] qkv-fused}}
  %k1, %v1 = flow.kv_append %kr, %vh into %kc, %vc at %i count %n : tensor<1x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %qr at %i, %k1, %v1 total %n mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<1x2x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32> storage q8_0
  flow.weight @k : tensor<32x64xf32> storage q8_0
  flow.weight @v : tensor<32x64xf32>
}
// CHECK-LABEL: @refuses_two_arithmetics
func.func @refuses_two_arithmetics(%x: tensor<1x64xf32>, %a: tensor<1x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %i: index, %n: index) -> tensor<1x2x32xf32> {
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "i8"}
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "i8"}
  // CHECK: flow.linear {{.*}} {flow.arithmetic = "f32"}
  // CHECK: flow.kv_append
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %q = flow.linear %x, %wq {flow.arithmetic = "i8"} : tensor<1x64xf32>, tensor<64x64xf32> -> tensor<1x64xf32>
  %k = flow.linear %x, %wk {flow.arithmetic = "i8"} : tensor<1x64xf32>, tensor<32x64xf32> -> tensor<1x32xf32>
  %v = flow.linear %x, %wv {flow.arithmetic = "f32"} : tensor<1x64xf32>, tensor<32x64xf32> -> tensor<1x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [1, 2, 32] : tensor<1x64xf32> into tensor<1x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [1, 1, 32] : tensor<1x32xf32> into tensor<1x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [1, 1, 32] : tensor<1x32xf32> into tensor<1x1x32xf32>
  %qr = flow.rope %qh, %a : tensor<1x2x32xf32>, tensor<1x16x2xf32>
  %kr = flow.rope %kh, %a : tensor<1x1x32xf32>, tensor<1x16x2xf32>
  // expected-remark @below {{[Missed] qkv-not-fused | Category:flow-fuse-qkv | Reason="the projections are marked with different arithmetic"}}
  %k1, %v1 = flow.kv_append %kr, %vh into %kc, %vc at %i count %n : tensor<1x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %qr at %i, %k1, %v1 total %n mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<1x2x32xf32>
}
