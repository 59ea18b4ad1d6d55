// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @lm_head
func.func @lm_head(%x: tensor<?x64xf32>, %table: tensor<512x64xf32>) {
  // CHECK: flow.lm_head %{{.*}}, %{{.*}} : tensor<?x64xf32>
  %l = flow.lm_head %x, %table : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  // CHECK: flow.lm_head %{{.*}}, %{{.*}} softcap 3.000000e+01 : tensor<?x64xf32>
  %c = flow.lm_head %x, %table softcap 3.0e+01 : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  return
}
