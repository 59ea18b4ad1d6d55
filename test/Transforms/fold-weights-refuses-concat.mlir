// RUN: flow-opt %s --flow-fold-weights --remarks-filter=flow-fold-weights \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @a : tensor<64x64xf32>
  flow.weight @b : tensor<32x64xf32>
}
// CHECK-LABEL: @one_part_computed
func.func @one_part_computed(%b: tensor<32x64xf32>) -> tensor<96x64xf32> {
  // CHECK: tensor.concat
  %a = flow.weight_ref @m::@a : tensor<64x64xf32>
  // expected-remark @below {{[Missed] weight-not-folded | Category:flow-fold-weights | Reason="not all parts are matrices of the model below each other"}}
  %w = tensor.concat dim(0) %a, %b : (tensor<64x64xf32>, tensor<32x64xf32>) -> tensor<96x64xf32>
  return %w : tensor<96x64xf32>
}

// -----

flow.model @other <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @b : tensor<32x64xf32>
}
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @a : tensor<64x64xf32>
}
// CHECK-LABEL: @two_models
func.func @two_models() -> tensor<96x64xf32> {
  // CHECK: tensor.concat
  %a = flow.weight_ref @m::@a : tensor<64x64xf32>
  %b = flow.weight_ref @other::@b : tensor<32x64xf32>
  // expected-remark @below {{[Missed] weight-not-folded | Category:flow-fold-weights | Reason="the weights do not stand in one layer"}}
  %w = tensor.concat dim(0) %a, %b : (tensor<64x64xf32>, tensor<32x64xf32>) -> tensor<96x64xf32>
  return %w : tensor<96x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @b : tensor<32x64xf32>
  flow.derived_weight @a : tensor<64x64xf32> = concat [@b, @b]
}
// CHECK-LABEL: @part_is_derived
func.func @part_is_derived() -> tensor<96x64xf32> {
  // CHECK: tensor.concat
  %a = flow.weight_ref @m::@a : tensor<64x64xf32>
  %b = flow.weight_ref @m::@b : tensor<32x64xf32>
  // expected-remark @below {{[Missed] weight-not-folded | Category:flow-fold-weights | Reason="a weight is itself made of others"}}
  %w = tensor.concat dim(0) %a, %b : (tensor<64x64xf32>, tensor<32x64xf32>) -> tensor<96x64xf32>
  return %w : tensor<96x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @a : tensor<64x64xf32>
  flow.weight @b : tensor<32x64xf32>
}
// CHECK-LABEL: @open_type
func.func @open_type() -> tensor<?x64xf32> {
  // CHECK: tensor.concat
  %a = flow.weight_ref @m::@a : tensor<64x64xf32>
  %b = flow.weight_ref @m::@b : tensor<32x64xf32>
  // expected-remark @below {{[Missed] weight-not-folded | Category:flow-fold-weights | Reason="the result is not a plain matrix of all rows"}}
  %w = tensor.concat dim(0) %a, %b : (tensor<64x64xf32>, tensor<32x64xf32>) -> tensor<?x64xf32>
  return %w : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @a : tensor<64xf32>
}
// CHECK-LABEL: @vectors
func.func @vectors() -> tensor<128xf32> {
  // CHECK: tensor.concat
  %a = flow.weight_ref @m::@a : tensor<64xf32>
  // expected-remark @below {{[Missed] weight-not-folded | Category:flow-fold-weights | Reason="not all parts are matrices of the model below each other"}}
  %w = tensor.concat dim(0) %a, %a : (tensor<64xf32>, tensor<64xf32>) -> tensor<128xf32>
  return %w : tensor<128xf32>
}
