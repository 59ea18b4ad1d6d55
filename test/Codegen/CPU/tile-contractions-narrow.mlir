// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions))' | FileCheck %s

// Several rows share a panel that was made bytes before their loop.
// CHECK-LABEL: func.func @rows
// CHECK-NOT: linalg
// CHECK: scf.forall
// CHECK: %[[PANEL:.*]] = tensor.empty() : tensor<16x128xi8>
// CHECK: %[[BYTES:.*]] = scf.for {{.*}} iter_args(%{{.*}} = %[[PANEL]])
// CHECK-COUNT-4: vector.transfer_read {{.*}} : tensor<4x8x128xi8>, vector<128xi8>
// CHECK: scf.yield
// CHECK: scf.for
// CHECK: vector.transfer_read %[[BYTES]]{{.*}} : tensor<16x128xi8>, vector<128xi8>
// CHECK-NOT: tensor<4x8x128xi8>
// CHECK-COUNT-48: vector.contract
// CHECK-NOT: vector.contract
// CHECK: tensor.parallel_insert_slice
func.func @rows(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32, bits = 4, offset = 8>>) -> tensor<?x128xf32> {
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32, bits = 4, offset = 8>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// One row unpacks in registers: the half bytes of eight columns are read once,
// and the fifth bits of 32.
// CHECK-LABEL: func.func @row
// CHECK-NOT: tensor<16x128xi8>
// CHECK: arith.shrsi {{.*}} : vector<32xi32>
// CHECK: vector.transfer_read {{.*}} : tensor<4x8x128xi8>, vector<128xi8>
// CHECK: arith.andi
// CHECK: vector.transfer_read {{.*}} : tensor<4x2x128xi8>, vector<128xi8>
// CHECK: arith.shli
// CHECK: arith.andi
// CHECK: arith.ori
// CHECK: vector.contract
// CHECK-NOT: vector.transfer_read {{.*}}xi8>, vector<128xi8>
// CHECK: vector.contract
// CHECK: vector.transfer_read {{.*}} : tensor<4x8x128xi8>, vector<128xi8>
// CHECK-NOT: vector.transfer_read {{.*}} : tensor<4x2x128xi8>
// CHECK-COUNT-6: vector.contract
// CHECK-NOT: vector.contract
func.func @row(%x: tensor<1x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32, bits = 5, offset = 16>>) -> tensor<1x128xf32> {
  %y = flow.linear %x, %w : tensor<1x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32, bits = 5, offset = 16>> -> tensor<1x128xf32>
  return %y : tensor<1x128xf32>
}
