// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @top_k
// CHECK-SAME: (%[[X:.*]]: tensor<?x512xf32>)
func.func @top_k(%logits: tensor<?x512xf32>) -> (tensor<?x64xf32>, tensor<?x64xi32>) {
  // CHECK: %[[V:.*]], %[[I:.*]] = flow.top_k %[[X]] : tensor<?x512xf32> -> tensor<?x64xf32>
  // CHECK: return %[[V]], %[[I]] : tensor<?x64xf32>, tensor<?x64xi32>
  %v, %i = flow.top_k %logits : tensor<?x512xf32> -> tensor<?x64xf32>
  return %v, %i : tensor<?x64xf32>, tensor<?x64xi32>
}

// All of one row in bf16.
// CHECK-LABEL: @all
func.func @all(%logits: tensor<1x3xbf16>) -> tensor<1x3xi32> {
  // CHECK: flow.top_k {{.*}} : tensor<1x3xbf16> -> tensor<1x3xbf16>
  %v, %i = flow.top_k %logits : tensor<1x3xbf16> -> tensor<1x3xbf16>
  return %i : tensor<1x3xi32>
}
