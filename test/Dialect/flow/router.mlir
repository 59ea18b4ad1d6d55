// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @router
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<32x64xf32>, %[[S:.*]]: tensor<32xf32>)
func.func @router(%x: tensor<?x64xf32>, %w: tensor<32x64xf32>, %scale: tensor<32xf32>) -> tensor<?x4xf32> {
  // CHECK: flow.router %[[X]], %[[W]] scale %[[S]] factor 1.250000e-01 : tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32> -> tensor<?x4xi32>
  %e, %s = flow.router %x, %w scale %scale factor 1.25e-01 : tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32> -> tensor<?x4xi32>
  return %s : tensor<?x4xf32>
}

// CHECK-LABEL: @quantized
func.func @quantized(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %w: tensor<32x64xf32, #flow.panels<i8, block = 32>>, %scale: tensor<32xf32>) {
  // CHECK: flow.router {{.*}} : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<32x64xf32, #flow.panels<i8, block = 32>>, tensor<32xf32> -> tensor<1x1xi32>
  %e, %s = flow.router %x, %w scale %scale factor 1.0 : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<32x64xf32, #flow.panels<i8, block = 32>>, tensor<32xf32> -> tensor<1x1xi32>
  return
}
