// RUN: flow-opt %s --flow-fuse-experts --remarks-filter=flow-fuse-experts \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<48x64xf32>
  flow.weight @up : tensor<48x64xf32>
  flow.weight @down : tensor<128x24xf32>
}
// CHECK-LABEL: @width
func.func @width(%x: tensor<?x64xf32>, %e: tensor<?x1xi32>, %s: tensor<?x1xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<48x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<48x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<128x24xf32>
  // CHECK: flow.moe
  // expected-remark @below {{[Missed] experts-not-fused | Category:flow-fuse-experts | Reason="an expert's width of 24 is no multiple of 16"}}
  %y = flow.moe %x to %e by %s, %wg, %wu, %wd : tensor<?x64xf32>, tensor<?x1xi32>, tensor<48x64xf32>, tensor<128x24xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<64x64xf32>
  flow.weight @up : tensor<64x64xf32>
  flow.weight @down : tensor<128x32xf32>
}
// CHECK-LABEL: @foreign
func.func @foreign(%x: tensor<?x64xf32>, %e: tensor<?x1xi32>, %s: tensor<?x1xf32>, %wg: tensor<64x64xf32>) -> tensor<?x64xf32> {
   %wu = flow.weight_ref @m::@up : tensor<64x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<128x32xf32>
  // CHECK: flow.moe
  // expected-remark @below {{[Missed] experts-not-fused | Category:flow-fuse-experts | Reason="a weight is not one of the model"}}
  %y = flow.moe %x to %e by %s, %wg, %wu, %wd : tensor<?x64xf32>, tensor<?x1xi32>, tensor<64x64xf32>, tensor<128x32xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<64x64xf32>
  flow.weight @up : tensor<64x64xf32>
  flow.weight @down : tensor<128x32xf32>
}
// CHECK-LABEL: @element_type
func.func @element_type(%x: tensor<?x64xbf16>, %e: tensor<?x1xi32>, %s: tensor<?x1xbf16>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<64x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<64x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<128x32xf32>
  // CHECK: flow.moe
  // expected-remark @below {{[Missed] experts-not-fused | Category:flow-fuse-experts | Reason="the experts change the element type"}}
  %y = flow.moe %x to %e by %s, %wg, %wu, %wd : tensor<?x64xbf16>, tensor<?x1xi32>, tensor<64x64xf32>, tensor<128x32xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<64x64xf32>
  flow.weight @up : tensor<64x64xf32>
  flow.weight @down : tensor<128x32xf32>
  flow.weight @a : tensor<32x64xf32>
  flow.weight @b : tensor<32x64xf32>
  flow.derived_weight @ab : tensor<64x64xf32> = concat [@a, @b]
}
// CHECK-LABEL: @made_of_others
func.func @made_of_others(%x: tensor<?x64xf32>, %e: tensor<?x1xi32>, %s: tensor<?x1xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@ab : tensor<64x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<64x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<128x32xf32>
  // CHECK: flow.moe
  // expected-remark @below {{[Missed] experts-not-fused | Category:flow-fuse-experts | Reason="a weight is itself made of others"}}
  %y = flow.moe %x to %e by %s, %wg, %wu, %wd : tensor<?x64xf32>, tensor<?x1xi32>, tensor<64x64xf32>, tensor<128x32xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
