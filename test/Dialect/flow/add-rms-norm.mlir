// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @add_rms_norm
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[B:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<64xf32>, %[[WB:.*]]: tensor<64xf32>, %[[C:.*]]: tensor<1xf32>)
func.func @add_rms_norm(%x: tensor<?x64xf32>, %b: tensor<?x64xf32>, %w: tensor<64xf32>, %wb: tensor<64xf32>, %c: tensor<1xf32>) {
  // CHECK: flow.add_rms_norm %[[X]], %[[B]] scale %[[W]] : tensor<?x64xf32>, tensor<64xf32>
  %s, %n = flow.add_rms_norm %x, %b scale %w : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: flow.add_rms_norm %[[X]], %[[B]] branch_scale %[[WB]] scale %[[W]] : tensor<?x64xf32>, tensor<64xf32>
  %t, %m = flow.add_rms_norm %x, %b branch_scale %wb scale %w : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: flow.add_rms_norm %[[X]], %[[B]] branch_scale %[[WB]] sum_scale %[[C]] scale %[[W]] : tensor<?x64xf32>, tensor<64xf32>
  %u, %l = flow.add_rms_norm %x, %b branch_scale %wb sum_scale %c scale %w : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: flow.add_rms_norm %[[X]], %[[B]] sum_scale %[[C]] scale %[[W]] : tensor<?x64xf32>, tensor<64xf32>
  %v, %k = flow.add_rms_norm %x, %b sum_scale %c scale %w : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: flow.add_rms_norm %[[X]], %[[B]] scale %[[W]] : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  %y, %q = flow.add_rms_norm %x, %b scale %w : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  return
}

// CHECK-LABEL: @three_dimensions
func.func @three_dimensions(%x: tensor<?x2x32xf32>, %w: tensor<32xf32>) {
  // CHECK: flow.add_rms_norm {{.*}} eps 2.500000e-01 : tensor<?x2x32xf32>, tensor<32xf32>
  %s, %n = flow.add_rms_norm %x, %x scale %w eps 0.25 : tensor<?x2x32xf32>, tensor<32xf32>
  return
}
