// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @embed
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<?xi32>, %[[TABLE:.*]]: tensor<512x64xf32>)
func.func @embed(%tokens: tensor<?xi32>, %table: tensor<512x64xf32>) {
  // CHECK: flow.embed %[[TOKENS]], %[[TABLE]] scale 8.000000e+00 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %x = flow.embed %tokens, %table scale 8.0e+00 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  return
}

// CHECK-LABEL: @one_row_rounded
func.func @one_row_rounded(%tokens: tensor<1xi32>, %table: tensor<512x64xf32>) {
  // CHECK: -> tensor<1x64xbf16>
  %x = flow.embed %tokens, %table scale 8.0e+00 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xbf16>
  return
}
