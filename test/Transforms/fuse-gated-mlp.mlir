// RUN: flow-opt %s --flow-fuse-gated-mlp --remarks-filter=flow-fuse-gated-mlp \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// T22

// CHECK: flow.model @m
// CHECK: flow.derived_weight @gate_up : tensor<192x64xf32> = interleave [@gate, @up]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @fuses
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
func.func @fuses(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK-DAG: %[[D:.*]] = flow.weight_ref @m::@down
  // CHECK-DAG: %[[GU:.*]] = flow.weight_ref @m::@gate_up : tensor<192x64xf32>
  // CHECK: %[[Y:.*]] = flow.gated_mlp %[[X]], %[[GU]], %[[D]] :
  // CHECK-NEXT: return %[[Y]]
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  // expected-remark @below {{[Passed] mlp-fused | Category:flow-fuse-gated-mlp}}
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}
