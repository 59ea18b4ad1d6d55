// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @add_rms_norm
func.func @add_rms_norm(%x: tensor<?x64xf32>, %b: tensor<?x64xf32>, %w: tensor<64xf32>, %wb: tensor<64xf32>) {
  // CHECK: flow.add_rms_norm %{{.*}}, %{{.*}} scale %{{.*}} : tensor<?x64xf32>, tensor<64xf32>
  %s, %n = flow.add_rms_norm %x, %b scale %w : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: flow.add_rms_norm %{{.*}}, %{{.*}} branch_scale %{{.*}} scale %{{.*}} : tensor<?x64xf32>, tensor<64xf32>
  %t, %m = flow.add_rms_norm %x, %b branch_scale %wb scale %w : tensor<?x64xf32>, tensor<64xf32>
  return
}
