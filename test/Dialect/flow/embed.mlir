// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @embed
func.func @embed(%tokens: tensor<?xi32>, %table: tensor<512x64xf32>) {
  // CHECK: flow.embed %{{.*}}, %{{.*}} scale 8.000000e+00 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %x = flow.embed %tokens, %table scale 8.0e+00 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  return
}
