// RUN: flow-opt %s --flow-fuse-norm-quantize --remarks-filter=flow-fuse-norm-quantize --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @norm
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<64xf32>)
func.func @norm(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32, #flow.quantized_rows<block = 16>> {
  // CHECK-NEXT: %[[Q:.*]] = flow.rms_norm %[[X]] scale %[[W]] : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  // CHECK-NEXT: return %[[Q]]
  // expected-remark @+1 {{[Passed] norm-quantize-fused}}
  %n = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
  %q = flow.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  return %q : tensor<?x64xf32, #flow.quantized_rows<block = 16>>
}

// -----

// The sum stays what it is. Both products read the same rows.
// CHECK-LABEL: @residual
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[A:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<64xf32>, %[[P:.*]]: tensor<32x64xf32, #flow.panels<bf16>>)
func.func @residual(%x: tensor<?x64xf32>, %a: tensor<?x64xf32>, %w: tensor<64xf32>, %p: tensor<32x64xf32, #flow.panels<bf16>>) -> (tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>) {
  // CHECK-NEXT: %[[S:.*]], %[[R:.*]] = flow.add_rms_norm %[[X]], %[[A]] scale %[[W]] : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  // CHECK-NEXT: %[[Y:.*]] = flow.linear %[[R]], %[[P]]
  // CHECK-NEXT: %[[Z:.*]] = flow.linear %[[R]], %[[P]]
  // CHECK-NEXT: return %[[S]], %[[Y]], %[[Z]]
  // expected-remark @+1 {{[Passed] norm-quantize-fused}}
  %s, %n = flow.add_rms_norm %x, %a scale %w : tensor<?x64xf32>, tensor<64xf32>
  %r = flow.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %y = flow.linear %r, %p : tensor<?x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>> -> tensor<?x32xf32>
  %z = flow.linear %r, %p : tensor<?x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>> -> tensor<?x32xf32>
  return %s, %y, %z : tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>
}

// -----

// What is no norm is left without a word.
// CHECK-LABEL: @others
// CHECK-COUNT-3: flow.quantize_rows
func.func @others(%x: tensor<?x64xf32>, %a: tensor<?x64xf32>, %w: tensor<64xf32>) -> (tensor<?x64xf32, #flow.bf16_rows>, tensor<?x64xf32, #flow.bf16_rows>, tensor<?x64xf32, #flow.bf16_rows>, tensor<?x64xf32>) {
  %p = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %g = flow.geglu %x, %a : tensor<?x64xf32>
  %q = flow.quantize_rows %g : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %s, %n = flow.add_rms_norm %x, %a scale %w : tensor<?x64xf32>, tensor<64xf32>
  %r = flow.quantize_rows %s : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  return %p, %q, %r, %n : tensor<?x64xf32, #flow.bf16_rows>, tensor<?x64xf32, #flow.bf16_rows>, tensor<?x64xf32, #flow.bf16_rows>, tensor<?x64xf32>
}
