// RUN: flow-opt %s --flow-fuse-qkv --split-input-file | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
}
// CHECK-LABEL: @without_norms
// CHECK-SAME: (%[[X:.*]]: tensor<1x64xf32>, %[[A:.*]]: tensor<1x16x2xf32>
func.func @without_norms(%x: tensor<1x64xf32>, %a: tensor<1x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %i: index, %n: index) -> tensor<1x2x32xf32> {
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@qkv
  // CHECK-NEXT: flow.qkv_rope_append %[[X]], %[[W]] rope %[[A]] into
  // CHECK-NOT: eps
  // CHECK-NEXT: flow.attention
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
  %o = flow.attention %qr at %i, %k1, %v1 total %n mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<1x2x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
}
// The epsilon of the values' norm is that of the fused op.
// CHECK-LABEL: @values_normed
func.func @values_normed(%x: tensor<1x64xf32>, %a: tensor<1x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %i: index, %n: index) -> tensor<1x2x32xf32> {
  // CHECK: flow.qkv_rope_append %{{.*}}, %{{.*}} v_norm rope %{{.*}} count %{{.*}} eps 1.000000e-05 :
  // CHECK-NEXT: flow.attention
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
  %vn = flow.rms_norm %vh eps 1.0e-05 : tensor<1x1x32xf32>
  %k1, %v1 = flow.kv_append %kr, %vn into %kc, %vc at %i count %n : tensor<1x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %qr at %i, %k1, %v1 total %n mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<1x2x32xf32>
}
