// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @rms_norm
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<64xf32>, %[[H:.*]]: tensor<?x2x32xf32>)
func.func @rms_norm(%x: tensor<?x64xf32>, %w: tensor<64xf32>, %h: tensor<?x2x32xf32>) {
  // CHECK: flow.rms_norm %[[X]] scale %[[W]] : tensor<?x64xf32>, tensor<64xf32>
  %y = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: flow.rms_norm %[[H]] eps 1.{{0+e-05|0*E-5}} : tensor<?x2x32xf32>
  %v = flow.rms_norm %h eps 1.0e-05 : tensor<?x2x32xf32>
  // CHECK: flow.rms_norm %[[X]] scale %[[W]] : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  %q = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  // CHECK: flow.rms_norm %[[X]] : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %b = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  // The type may be written although it is that of the rows.
  // CHECK: flow.rms_norm %[[X]] : tensor<?x64xf32>{{$}}
  %z = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// CHECK-LABEL: @vector
// CHECK-SAME: (%[[X:.*]]: tensor<8xbf16>)
func.func @vector(%x: tensor<8xbf16>) {
  // CHECK: flow.rms_norm %[[X]] : tensor<8xbf16>
  %y = flow.rms_norm %x : tensor<8xbf16>
  return
}

// The usual epsilon is not printed.
// CHECK-LABEL: @default_eps
// CHECK-SAME: (%[[X:.*]]: tensor<1x8xf16>, %[[W:.*]]: tensor<8xbf16>)
func.func @default_eps(%x: tensor<1x8xf16>, %w: tensor<8xbf16>) {
  // CHECK: flow.rms_norm %[[X]] scale %[[W]] : tensor<1x8xf16>, tensor<8xbf16>
  %y = flow.rms_norm %x scale %w eps 1.0e-06 : tensor<1x8xf16>, tensor<8xbf16>
  return
}
