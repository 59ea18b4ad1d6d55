// RUN: flow-opt %s --flow-fuse-qkv | FileCheck %s

// T19, T21: Two attentions read the cache. Whichever comes first, the queries that are
// made from the rows of the keys are fused; the others stay.

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
}
// CHECK-LABEL: @shared_cache
// CHECK-SAME: (%[[X:.*]]: tensor<1x64xf32>, {{.*}}, %[[Y:.*]]: tensor<1x2x32xf32>)
func.func @shared_cache(%x: tensor<1x64xf32>, %a: tensor<1x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %i: index, %n: index, %y: tensor<1x2x32xf32>) -> (tensor<1x2x32xf32>, tensor<1x2x32xf32>, tensor<1x2x32xf32>) {
  // CHECK: %[[Q:.*]], %[[K1:.*]], %[[V1:.*]] = flow.qkv_rope_append %[[X]]
  // CHECK: flow.attention %[[Y]] at %{{.*}}, %[[K1]], %[[V1]]
  // CHECK: flow.attention %[[Q]] at %{{.*}}, %[[K1]], %[[V1]]
  // CHECK: flow.attention %[[Y]] at %{{.*}}, %[[K1]], %[[V1]]
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %q = flow.linear %x, %wq : tensor<1x64xf32>, tensor<64x64xf32> -> tensor<1x64xf32>
  %k = flow.linear %x, %wk : tensor<1x64xf32>, tensor<32x64xf32> -> tensor<1x32xf32>
  %v = flow.linear %x, %wv : tensor<1x64xf32>, tensor<32x64xf32> -> tensor<1x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [1, 2, 32] : tensor<1x64xf32> into tensor<1x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [1, 1, 32] : tensor<1x32xf32> into tensor<1x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [1, 1, 32] : tensor<1x32xf32> into tensor<1x1x32xf32>
  %qr = flow.rope %qh, %a : tensor<1x2x32xf32>, tensor<1x16x2xf32>
  %kr = flow.rope %kh, %a : tensor<1x1x32xf32>, tensor<1x16x2xf32>
  %k1, %v1 = flow.kv_append %kr, %vh into %kc, %vc at %i count %n : tensor<1x1x32xf32>, tensor<?x1x32xf32>
  %before = flow.attention %y at %i, %k1, %v1 total %n mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %qr at %i, %k1, %v1 total %n mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  %after = flow.attention %y at %i, %k1, %v1 total %n mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return %before, %o, %after : tensor<1x2x32xf32>, tensor<1x2x32xf32>, tensor<1x2x32xf32>
}
