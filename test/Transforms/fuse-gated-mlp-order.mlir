// RUN: flow-opt %s --flow-fuse-gated-mlp --split-input-file | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @up_first
func.func @up_first(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK-NOT: flow.linear
  // CHECK: flow.weight_ref @m::@gate_up
  // CHECK: flow.gated_mlp
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// -----

// The first operand of the activation is the gate, whatever it is called.
// CHECK: flow.derived_weight @gate_up : tensor<192x64xf32> = interleave [@up, @gate]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @swapped
// CHECK: flow.gated_mlp
func.func @swapped(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %h = flow.geglu %u, %g : tensor<?x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}
