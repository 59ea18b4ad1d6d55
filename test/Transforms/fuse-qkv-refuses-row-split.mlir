// RUN: flow-opt %s --flow-fuse-qkv --remarks-filter=flow-fuse-qkv \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// Pairs of rows that become the heads of one row are not heads of a row.

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
}
// CHECK-LABEL: @rows_become_heads
func.func @rows_become_heads(%x: tensor<?x64xf32>, %a: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %i: index, %n: index, %rows: index) -> tensor<?x2x32xf32> {
  %wq = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %q = flow.linear %x, %wq : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %k = flow.linear %x, %wk : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %v = flow.linear %x, %wv : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %qh = tensor.expand_shape %q [[0, 1], [2]] output_shape [%rows, 2, 32] : tensor<?x32xf32> into tensor<?x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %qr = flow.rope %qh, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %kr = flow.rope %kh, %a : tensor<?x1x32xf32>, tensor<?x16x2xf32>
  // CHECK: flow.kv_append
  // expected-remark @below {{[Missed] qkv-not-fused | Category:flow-fuse-qkv | Reason="the queries are not a projection split into heads"}}
  %k1, %v1 = flow.kv_append %kr, %vh into %kc, %vc at %i count %n : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %qr at %i, %k1, %v1 total %n mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}
