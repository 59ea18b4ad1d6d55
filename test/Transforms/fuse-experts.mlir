// RUN: flow-opt %s --flow-fuse-experts --remarks-filter=flow-fuse-experts \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// CHECK: flow.model @m
// CHECK: flow.derived_weight @expert_gate_up : tensor<128x64xf32> = interleave [@gate, @up]
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<64x64xf32>
  flow.weight @up : tensor<64x64xf32>
  flow.weight @down : tensor<128x32xf32>
}
// CHECK-LABEL: @fuses
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[E:.*]]: tensor<?x1xi32>, %[[S:.*]]: tensor<?x1xf32>)
func.func @fuses(%x: tensor<?x64xf32>, %e: tensor<?x1xi32>, %s: tensor<?x1xf32>) -> tensor<?x64xf32> {
  // CHECK-DAG: %[[D:.*]] = flow.weight_ref @m::@down
  // CHECK-DAG: %[[GU:.*]] = flow.weight_ref @m::@expert_gate_up : tensor<128x64xf32>
  // CHECK: %[[Y:.*]] = flow.grouped_mlp %[[X]] to %[[E]] by %[[S]], %[[GU]], %[[D]] :
  // CHECK-NEXT: return %[[Y]]
  %wg = flow.weight_ref @m::@gate : tensor<64x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<64x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<128x32xf32>
  // expected-remark @below {{[Passed] experts-fused | Category:flow-fuse-experts}}
  %y = flow.moe %x to %e by %s, %wg, %wu, %wd : tensor<?x64xf32>, tensor<?x1xi32>, tensor<64x64xf32>, tensor<128x32xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
