// RUN: flow-opt %s --flow-share-layers --split-input-file | FileCheck %s

// A call of somebody else's stands between two stages of a layer: each side is
// a function of its own, here the same.
func.func private @opaque(tensor<?x64xf32>) -> tensor<?x64xf32>
// CHECK-LABEL: func.func @opaque_between
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
// CHECK: %[[A:.*]] = call @opaque_between_layer0(%[[X]])
// CHECK: %[[B:.*]] = call @opaque(%[[A]])
// CHECK: %[[C:.*]] = call @opaque_between_layer0(%[[B]])
// CHECK: return %[[C]]
func.func @opaque_between(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = flow.rms_norm %x : tensor<?x64xf32> loc("layer0/a")
  %b = func.call @opaque(%a) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %c = flow.rms_norm %b : tensor<?x64xf32> loc("layer0/c")
  return %c : tensor<?x64xf32>
}

// -----

// The number of rows of a stage is known only after it ran.
// CHECK-LABEL: func.func @size_of_stage
// CHECK: %[[A:.*]] = call @size_of_stage_layer0(
// CHECK: %[[ROWS:.*]] = tensor.dim %[[A]]
// CHECK: call @size_of_stage_layer0_0(%[[A]], %[[ROWS]])
func.func @size_of_stage(%x: tensor<?x64xf32>) -> tensor<1x64xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %a = flow.rms_norm %x : tensor<?x64xf32> loc("layer0/a")
  %rows = tensor.dim %a, %c0 : tensor<?x64xf32>
  %last = arith.subi %rows, %c1 : index
  %l = tensor.extract_slice %a[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32> loc("layer0/b")
  return %l : tensor<1x64xf32>
}

// -----

// References and scalars between stages are no reason to divide a layer.
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64xf32>
}
// CHECK-LABEL: func.func @references_between
// CHECK-COUNT-1: call @references_between_layer0
// CHECK-NOT: call
// CHECK-LABEL: func.func private @references_between_layer0
// CHECK: flow.rms_norm
// CHECK: flow.rms_norm
func.func @references_between(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = flow.rms_norm %x : tensor<?x64xf32> loc("layer0/a")
  %c0 = arith.constant 0 : index
  %w = flow.weight_ref @m::@w : tensor<64xf32> loc("layer0/b")
  %b = flow.rms_norm %a scale %w : tensor<?x64xf32>, tensor<64xf32> loc("layer0/b")
  return %b : tensor<?x64xf32>
}
