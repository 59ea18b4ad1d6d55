// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @quantize_rows
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
func.func @quantize_rows(%x: tensor<?x64xf32>) {
  // CHECK: flow.quantize_rows %[[X]] : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  // CHECK: flow.quantize_rows %[[X]] : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %h = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  return
}
