// RUN: flow-opt %s --emit-bytecode -o %t.mlirbc
// RUN: flow-opt %t.mlirbc | FileCheck %s

// CHECK-LABEL: @products
func.func @products(%x: tensor<?x64xf32>, %p: tensor<64x64xf32, #flow.panels<i8, block = 32, scale = f32, min = true>>) -> tensor<?x64xf32> {
  // CHECK: flow.quantize_rows %{{.*}} : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  // CHECK: flow.linear %{{.*}}, %{{.*}} : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<64x64xf32, #flow.panels<i8, block = 32, scale = f32, min = true>> -> tensor<?x64xf32>
  %y = flow.linear %q, %p : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<64x64xf32, #flow.panels<i8, block = 32, scale = f32, min = true>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: @attention
func.func @attention(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) -> tensor<?x2x32xf32> {
  // CHECK: mask <causal, window = 16> blocks <first = window, size = 32> scale 1.250000e-01 softcap 5.000000e+01 :
  %o = flow.attention %q at %i, %k, %k total %i mask <causal, window = 16> blocks <first = window, size = 32> scale 1.25e-01 softcap 5.0e+01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// Operand groups of different sizes.
// CHECK-LABEL: @fused
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<128x64xf32>, %[[N:.*]]: tensor<32xf32>,
func.func @fused(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %n: tensor<32xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) -> (tensor<?x2x32xf32>, tensor<?x2x32xf32>) {
  // CHECK: flow.qkv_rope_append %[[X]], %[[W]] norms %[[N]], %[[N]] v_norm rope
  %q, %k, %v = flow.qkv_rope_append %x, %w norms %n, %n v_norm rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  // CHECK: flow.qkv_rope_append %[[X]], %[[W]] rope
  %r, %k1, %v1 = flow.qkv_rope_append %x, %w rope %a into %k, %v at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return %q, %r : tensor<?x2x32xf32>, tensor<?x2x32xf32>
}
