// RUN: flow-opt %s --flow-fuse-qkv | FileCheck %s

// When one row is read in the end, only its queries go on; the product makes
// all of them, because it makes all keys.

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
}
// CHECK-LABEL: @sliced_query
func.func @sliced_query(%x: tensor<4x64xf32>, %a: tensor<4x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %i: index, %n: index) -> tensor<1x2x32xf32> {
  // CHECK: %[[Q:.*]], %[[K1:.*]], %[[V1:.*]] = flow.qkv_rope_append {{.*}} -> tensor<4x2x32xf32>
  // CHECK-NEXT: %[[LAST:.*]] = tensor.extract_slice %[[Q]][3, 0, 0]
  // CHECK-NEXT: flow.attention %[[LAST]] at %{{.*}}, %[[K1]], %[[V1]]
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %q = flow.linear %x, %wq : tensor<4x64xf32>, tensor<64x64xf32> -> tensor<4x64xf32>
  %k = flow.linear %x, %wk : tensor<4x64xf32>, tensor<32x64xf32> -> tensor<4x32xf32>
  %v = flow.linear %x, %wv : tensor<4x64xf32>, tensor<32x64xf32> -> tensor<4x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [4, 2, 32] : tensor<4x64xf32> into tensor<4x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [4, 1, 32] : tensor<4x32xf32> into tensor<4x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [4, 1, 32] : tensor<4x32xf32> into tensor<4x1x32xf32>
  %qr = flow.rope %qh, %a : tensor<4x2x32xf32>, tensor<4x16x2xf32>
  %kr = flow.rope %kh, %a : tensor<4x1x32xf32>, tensor<4x16x2xf32>
  %k1, %v1 = flow.kv_append %kr, %vh into %kc, %vc at %i count %n : tensor<4x1x32xf32>, tensor<?x1x32xf32>
  %last = tensor.extract_slice %qr[3, 0, 0] [1, 2, 32] [1, 1, 1] : tensor<4x2x32xf32> to tensor<1x2x32xf32>
  %o = flow.attention %last at %i, %k1, %v1 total %n mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<1x2x32xf32>
}
