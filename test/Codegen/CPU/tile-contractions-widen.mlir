// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions{rows-i8=12 columns-i8=8 rows-narrow=12 columns-narrow=16 widen-i8=true rows-bf16=4 columns-bf16=16 widen-bf16=true}))' | FileCheck %s

// Rows become 16 bits wide before the loop over panels, two numbers at a time
// in the order 0, 2, 1, 3. In it, the even and the odd bytes of a word of
// weights meet them in pairs.
// CHECK-LABEL: func.func @bytes
// CHECK: scf.forall
// CHECK: %[[WIDE:.*]] = scf.forall
// CHECK: %[[X:.*]] = arith.extsi {{.*}} : vector<64xi8> to vector<64xi16>
// CHECK: vector.shuffle %[[X]], %[[X]] [0, 2, 1, 3, 4, 6, 5, 7,
// CHECK: scf.forall (%{{.*}}) in (4)
// CHECK: scf.for %{{.*}} = %c0{{.*}} to %c32{{.*}} step %c8
// CHECK: %[[SUMS:.*]] = tensor.empty() : tensor<12x8xf32>
// CHECK: %[[W:.*]] = vector.bitcast %{{.*}} : vector<32xi8> to vector<16xi16>
// CHECK: arith.andi %[[W]]
// CHECK: arith.shrui %[[W]]
// All weights of a block are read before the loop over rows, whose sums are in
// memory.
// CHECK: scf.for %[[R:.*]] = %c0{{.*}} to %c12{{.*}} iter_args(%[[MEM:.*]] = %
// CHECK: vector.transfer_read %[[WIDE]]{{.*}} : tensor<?x64xi16>, vector<2xi16>
// CHECK: vector.contract {{.*}} : vector<8x2xi32>, vector<2xi32> into vector<8xi32>
// CHECK-COUNT-15: vector.contract
// CHECK: vector.transfer_read %[[MEM]][%[[R]],
// CHECK: vector.transfer_write %{{.*}}, %[[MEM]][%[[R]],
// CHECK-NOT: vector.contract
func.func @bytes(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32>>) -> tensor<?x128xf32> {
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  %y = flow.linear %q, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// The odd product is added first, as dot products of bf16 do.
// CHECK-LABEL: func.func @bf16
// CHECK: arith.extf {{.*}} : vector<64xbf16> to vector<64xf32>
// CHECK: scf.forall (%{{.*}}) in (4)
// CHECK-NOT: arith.extf
// CHECK: %[[SHIFTED:.*]] = arith.shli
// CHECK: %[[EVEN:.*]] = vector.bitcast %[[SHIFTED]]
// CHECK: %[[MASKED:.*]] = arith.andi
// CHECK: %[[ODD:.*]] = vector.bitcast %[[MASKED]]
// CHECK: %[[FIRST:.*]] = vector.fma %[[ODD]]
// CHECK: vector.fma %[[EVEN]], %{{.*}}, %[[FIRST]]
// CHECK-COUNT-6: vector.fma
// CHECK-NOT: vector.fma
func.func @bf16(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<bf16>>) -> tensor<?x128xf32> {
  %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// CHECK-LABEL: func.func @one_row
// CHECK-NOT: xi16>
// CHECK: vector.contract {{.*}} : vector<32x4xi32>, vector<4xi32> into vector<32xi32>
func.func @one_row(%x: tensor<1x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32>>) -> tensor<1x128xf32> {
  %q = flow.quantize_rows %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.quantized_rows<block = 32>>
  %y = flow.linear %q, %w : tensor<1x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<1x128xf32>
  return %y : tensor<1x128xf32>
}

// Narrow weights need no wider rows. Weights of 5 bits are added four times in
// 16 bits, and then, as the row's sum is eight times too large, by eights in 32;
// their scales are that much smaller.
// CHECK-LABEL: func.func @narrow
// CHECK-NOT: xi16>
// CHECK: scf.forall (%{{.*}}) in (4)
// CHECK: tensor.empty() : tensor<12x16xf32>
// CHECK: %[[EIGHTH:.*]] = arith.constant 1.250000e-01 : f32
// CHECK: vector.broadcast %[[EIGHTH]]
// CHECK: scf.for
// CHECK: vector.contract {{.*}} : vector<16x2x2xi16>, vector<2x2xi16> into vector<16x2xi16>
// CHECK-COUNT-3: vector.contract {{.*}} into vector<16x2xi16>
// CHECK: arith.constant dense<8> : vector<2xi32>
// CHECK: vector.contract {{.*}} : vector<16x2xi32>, vector<2xi32> into vector<16xi32>
// CHECK-NOT: vector.contract
func.func @narrow(%x: tensor<?x64xf32, #flow.quantized_rows<block = 16>>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32, bits = 5, offset = 16>>) -> tensor<?x128xf32> {
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<128x64xf32, #flow.panels<i8, block = 32, bits = 5, offset = 16>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// Of 6 bits, two additions fit 16 bits.
// CHECK-LABEL: func.func @six_bits
// CHECK: scf.forall
// CHECK: scf.for
// CHECK-COUNT-2: vector.contract {{.*}} into vector<16x2xi16>
// CHECK: vector.contract {{.*}} into vector<16xi32>
// CHECK-COUNT-2: vector.contract {{.*}} into vector<16x2xi16>
// CHECK: vector.contract {{.*}} into vector<16xi32>
// CHECK-NOT: vector.contract
func.func @six_bits(%x: tensor<?x64xf32, #flow.quantized_rows<block = 16>>, %w: tensor<128x64xf32, #flow.panels<i8, block = 16, bits = 6, offset = 32>>) -> tensor<?x128xf32> {
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<128x64xf32, #flow.panels<i8, block = 16, bits = 6, offset = 32>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}
