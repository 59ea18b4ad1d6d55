// RUN: flow-opt %s --flow-fuse-head-top-k --remarks-filter=flow-fuse-head-top-k \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// The mark of the product's arithmetic stays.
// CHECK-LABEL: @fuses
// CHECK-SAME: (%[[X:.*]]: tensor<1x64xf32>, %[[W:.*]]: tensor<512x64xf32>)
func.func @fuses(%x: tensor<1x64xf32>, %w: tensor<512x64xf32>) -> (tensor<1x8xf32>, tensor<1x8xi32>) {
  // CHECK: %[[V:.*]], %[[I:.*]] = flow.lm_head_top_k %[[X]], %[[W]] softcap 3.000000e+01 {flow.arithmetic = "bf16"} : tensor<1x64xf32>, tensor<512x64xf32> -> tensor<1x8xf32>
  // CHECK-NEXT: return %[[V]], %[[I]]
  %l = flow.lm_head %x, %w softcap 3.0e+01 {flow.arithmetic = "bf16"} : tensor<1x64xf32>, tensor<512x64xf32> -> tensor<1x512xf32>
  // expected-remark @below {{[Passed] head-top-k-fused | Category:flow-fuse-head-top-k}}
  %v, %i = flow.top_k %l : tensor<1x512xf32> -> tensor<1x8xf32>
  return %v, %i : tensor<1x8xf32>, tensor<1x8xi32>
}

// -----

// CHECK-LABEL: @without_cap
func.func @without_cap(%x: tensor<?x64xbf16>, %w: tensor<512x64xf32>) -> tensor<?x8xi32> {
  // CHECK-NOT: flow.lm_head{{ }}
  // CHECK: flow.lm_head_top_k %{{.*}}, %{{.*}} : tensor<?x64xbf16>, tensor<512x64xf32> -> tensor<?x8xf32>
  %l = flow.lm_head %x, %w : tensor<?x64xbf16>, tensor<512x64xf32> -> tensor<?x512xf32>
  // expected-remark @below {{[Passed] head-top-k-fused | Category:flow-fuse-head-top-k}}
  %v, %i = flow.top_k %l : tensor<?x512xf32> -> tensor<?x8xf32>
  return %i : tensor<?x8xi32>
}
