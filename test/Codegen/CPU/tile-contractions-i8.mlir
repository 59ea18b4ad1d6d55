// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions))' | FileCheck %s

// CHECK-LABEL: func.func @rows
// CHECK-NOT: linalg
// CHECK: arith.extf {{.*}} : vector<32xf16> to vector<32xf32>
// CHECK: vector.transfer_read {{.*}} : tensor<4x16x128xi8>, vector<128xi8>
// CHECK-COUNT-48: vector.contract
// CHECK-NOT: vector.contract
// CHECK-COUNT-6: vector.fma
// CHECK-NOT: vector.fma
// CHECK: tensor.parallel_insert_slice
func.func @rows(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32>>) -> tensor<?x128xf32> {
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  %y = flow.linear %q, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}
