// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @gated_mlp
func.func @gated_mlp(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<64x128xf32>) {
  // CHECK: flow.gated_mlp %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}
