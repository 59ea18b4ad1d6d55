// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @linear
func.func @linear(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %q: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %p: tensor<128x64xf32, #flow.panels<i8, block = 32>>) {
  // CHECK: flow.linear %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>
  // CHECK: flow.linear %{{.*}}, %{{.*}} : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>>
  %z = flow.linear %q, %p : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  return
}
