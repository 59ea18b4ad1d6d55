// RUN: flow-opt %s --flow-fuse-gated-mlp --remarks-filter=flow-fuse-gated-mlp \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// The fused stage has one element type all the way.

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @inner_rows_narrower
func.func @inner_rows_narrower(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xbf16>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xbf16>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] mlp-not-fused | Category:flow-fuse-gated-mlp | Reason="a projection changes the element type"}}
  %h = flow.geglu %g, %u : tensor<?x96xbf16>
  %d = flow.linear %h, %wd : tensor<?x96xbf16>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}
