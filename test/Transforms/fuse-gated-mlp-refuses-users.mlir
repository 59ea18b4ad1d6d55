// RUN: flow-opt %s --flow-fuse-gated-mlp --remarks-filter=flow-fuse-gated-mlp \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @gate_read_too
func.func @gate_read_too(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x96xf32>) {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] mlp-not-fused | Category:flow-fuse-gated-mlp | Reason="others read the gate or the up projection"}}
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d, %g : tensor<?x64xf32>, tensor<?x96xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @activation_read_too
func.func @activation_read_too(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x96xf32>) {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] mlp-not-fused | Category:flow-fuse-gated-mlp | Reason="the activation does not feed one product alone"}}
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d, %h : tensor<?x64xf32>, tensor<?x96xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<64x64xf32>
  flow.weight @up : tensor<64x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @activation_is_the_weight
func.func @activation_is_the_weight(%x: tensor<96x64xf32>, %y: tensor<?x64xf32>) -> tensor<?x96xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<64x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<64x64xf32>
  %g = flow.linear %x, %wg : tensor<96x64xf32>, tensor<64x64xf32> -> tensor<96x64xf32>
  %u = flow.linear %x, %wu : tensor<96x64xf32>, tensor<64x64xf32> -> tensor<96x64xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] mlp-not-fused | Category:flow-fuse-gated-mlp | Reason="the activation does not feed one product alone"}}
  %h = flow.geglu %g, %u : tensor<96x64xf32>
  %d = flow.linear %y, %h : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return %d : tensor<?x96xf32>
}
