// RUN: flow-opt %s --flow-fuse-gated-mlp --remarks-filter=flow-fuse-gated-mlp \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<24x64xf32>
  flow.weight @up : tensor<24x64xf32>
  flow.weight @down : tensor<64x24xf32>
}
// CHECK-LABEL: @width_of_24
func.func @width_of_24(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<24x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<24x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x24xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<24x64xf32> -> tensor<?x24xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<24x64xf32> -> tensor<?x24xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] mlp-not-fused | Category:flow-fuse-gated-mlp | Reason="gate and up are not matrices of one type with a multiple of 16 rows"}}
  %h = flow.geglu %g, %u : tensor<?x24xf32>
  %d = flow.linear %h, %wd : tensor<?x24xf32>, tensor<64x24xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// -----

flow.model @other <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @up : tensor<96x64xf32>
}
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @weights_of_two_models
func.func @weights_of_two_models(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @other::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] mlp-not-fused | Category:flow-fuse-gated-mlp | Reason="the weights do not stand in one layer"}}
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @computed_weight
func.func @computed_weight(%x: tensor<?x64xf32>, %wu: tensor<96x64xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] mlp-not-fused | Category:flow-fuse-gated-mlp | Reason="a weight is not one of the model"}}
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
// CHECK-LABEL: @layout_chosen
func.func @layout_chosen(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32, #flow.panels<f32>>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32, #flow.panels<f32>> -> tensor<?x96xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] mlp-not-fused | Category:flow-fuse-gated-mlp | Reason="a weight has its layout already"}}
  %h = flow.geglu %g, %u : tensor<?x96xf32>
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}
