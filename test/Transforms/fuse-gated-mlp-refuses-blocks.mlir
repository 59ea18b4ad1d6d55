// RUN: flow-opt %s --flow-fuse-gated-mlp --remarks-filter=flow-fuse-gated-mlp \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @down_in_a_region
func.func @down_in_a_region(%x: tensor<?x64xf32>, %c: i1) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] mlp-not-fused | Category:flow-fuse-gated-mlp | Reason="a stage stands in another block"}}
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = scf.if %c -> tensor<?x64xf32> {
    %y = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
    scf.yield %y : tensor<?x64xf32>
  } else {
    scf.yield %x : tensor<?x64xf32>
  }
  return %d : tensor<?x64xf32>
}
