// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @rms_norm
func.func @rms_norm(%x: tensor<?x64xf32>, %w: tensor<64xf32>, %h: tensor<?x2x32xf32>, %b: tensor<8xbf16>) {
  // CHECK: flow.rms_norm %{{.*}} scale %{{.*}} : tensor<?x64xf32>, tensor<64xf32>
  %y = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: flow.rms_norm %{{.*}} eps {{1.0+e-05|1.0E-5}} : tensor<?x2x32xf32>
  %v = flow.rms_norm %h eps 1.0e-05 : tensor<?x2x32xf32>
  // CHECK: flow.rms_norm %{{.*}} : tensor<8xbf16>
  %z = flow.rms_norm %b : tensor<8xbf16>
  return
}
