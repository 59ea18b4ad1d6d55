// RUN: flow-opt %s --flow-fuse-per-layer-gate --remarks-filter=flow-fuse-per-layer-gate \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @fuses
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[P:.*]]: tensor<?x32xf32>, %[[G:.*]]: tensor<32x64xf32>, %[[O:.*]]: tensor<64x32xf32>)
func.func @fuses(%x: tensor<?x64xf32>, %p: tensor<?x32xf32>, %wg: tensor<32x64xf32>, %wo: tensor<64x32xf32>) -> tensor<?x64xf32> {
  // CHECK: %[[Y:.*]] = flow.per_layer_gate %[[X]], %[[G]], %[[P]], %[[O]] {flow.arithmetic = "i8", flow.hidden_arithmetic = "f32"} :
  // CHECK-NEXT: return %[[Y]]
  %g = flow.linear %x, %wg {flow.arithmetic = "i8"} : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  // expected-remark @below {{[Passed] gate-fused | Category:flow-fuse-per-layer-gate}}
  %h = flow.geglu %g, %p : tensor<?x32xf32>
  %y = flow.linear %h, %wo {flow.arithmetic = "f32"} : tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// An MLP is another pass's matter, and nothing is said of it.
// CHECK-LABEL: @mlp
func.func @mlp(%x: tensor<?x64xf32>, %wg: tensor<32x64xf32>, %wu: tensor<32x64xf32>, %wo: tensor<64x32xf32>) -> tensor<?x64xf32> {
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  // CHECK: flow.geglu
  %h = flow.geglu %g, %u : tensor<?x32xf32>
  %y = flow.linear %h, %wo : tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
