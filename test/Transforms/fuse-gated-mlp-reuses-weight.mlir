// RUN: flow-opt %s --flow-fuse-gated-mlp --split-input-file | FileCheck %s

// CHECK: flow.derived_weight @gate_up
// CHECK-NOT: flow.derived_weight
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @first
// CHECK: flow.weight_ref @m::@gate_up
func.func @first(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}
// CHECK-LABEL: @second
// CHECK: flow.weight_ref @m::@gate_up
func.func @second(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// -----

// Rows one after the other are another weight than rows in turn.
// CHECK: flow.derived_weight @gate_up_1 : tensor<192x64xf32> = interleave [@gate, @up]
// CHECK: flow.derived_weight @gate_up : tensor<192x64xf32> = concat [@gate, @up]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
  flow.derived_weight @gate_up : tensor<192x64xf32> = concat [@gate, @up]
}
// CHECK-LABEL: @not_the_concatenation
// CHECK: flow.weight_ref @m::@gate_up_1
func.func @not_the_concatenation(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}
