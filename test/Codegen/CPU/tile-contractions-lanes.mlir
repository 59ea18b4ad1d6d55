// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions{rows-i8=6 columns-i8=8 rows-bf16=4 columns-bf16=16 rows-f32=4 columns-f32=16 row-lanes=true}))' | FileCheck %s
// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions{rows-i8=6 columns-i8=8 row-lanes=true signed-i8=true}))' | FileCheck %s --check-prefix=SIGNED

// Four fours of weights, and then for each row 16 bytes that all of them meet.
// CHECK-LABEL: func.func @bytes
// CHECK: scf.forall (%{{.*}}) in (4)
// CHECK-COUNT-4: vector.transfer_read {{.*}} : tensor<4x16x128xi8>, vector<32xi8>
// CHECK: %[[X:.*]] = vector.transfer_read {{.*}} : tensor<?x64xi8>, vector<16xi8>
// CHECK: vector.extract_strided_slice %[[X]] {offsets = [0], sizes = [4]
// CHECK: arith.extui {{.*}} : vector<8x4xi8>
// CHECK: vector.contract {{.*}} : vector<8x4xi32>, vector<4xi32> into vector<8xi32>
// CHECK: vector.extract_strided_slice %[[X]] {offsets = [4], sizes = [4]
// CHECK: vector.contract
// CHECK: vector.extract_strided_slice %[[X]] {offsets = [8], sizes = [4]
// CHECK: vector.contract
// CHECK: vector.extract_strided_slice %[[X]] {offsets = [12], sizes = [4]
// CHECK: vector.contract
// CHECK: vector.fma
// CHECK-COUNT-20: vector.contract
// CHECK-NOT: vector.contract

// Bytes of 8 bits lose their 128, so dots start from zero.
// SIGNED-LABEL: func.func @bytes
// SIGNED: %[[START:.*]] = vector.broadcast %c0_i32{{.*}} : i32 to vector<8xi32>
// SIGNED: %[[TOP:.*]] = vector.broadcast %c-128_i8{{.*}} : i8 to vector<32xi8>
// SIGNED: arith.xori %{{.*}}, %[[TOP]] : vector<32xi8>
// SIGNED: arith.extsi {{.*}} : vector<8x4xi8>
// SIGNED: vector.contract {{.*}} %[[START]] : vector<8x4xi32>
func.func @bytes(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32>>) -> tensor<?x128xf32> {
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  %y = flow.linear %q, %w : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// Fewer bits are signed bytes as they are, and start from a part of the sums.
// CHECK-LABEL: func.func @narrow
// SIGNED-LABEL: func.func @narrow
// SIGNED: scf.forall (%{{.*}}) in (4)
// SIGNED: arith.shrsi
// SIGNED-NOT: arith.xori
// SIGNED: arith.extsi {{.*}} : vector<8x4xi8>
// SIGNED: vector.contract
func.func @narrow(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32, bits = 4, offset = 8>>) -> tensor<?x128xf32> {
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  %y = flow.linear %q, %w : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<128x64xf32, #flow.panels<i8, block = 32, bits = 4, offset = 8>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// A single row has all columns at once, and one four of weights at a time.
// CHECK-LABEL: func.func @one_row
// CHECK: %[[X:.*]] = vector.transfer_read {{.*}} : tensor<1x64xi8>, vector<16xi8>
// CHECK: vector.contract {{.*}} : vector<32x4xi32>, vector<4xi32> into vector<32xi32>
// CHECK: vector.transfer_read {{.*}} : tensor<4x16x128xi8>, vector<128xi8>
// CHECK: vector.extract_strided_slice %[[X]] {offsets = [4], sizes = [4]
// CHECK: vector.contract
func.func @one_row(%x: tensor<1x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32>>) -> tensor<1x128xf32> {
  %q = flow.quantize_rows %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.quantized_rows<block = 16>>
  %y = flow.linear %q, %w : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<1x128xf32>
  return %y : tensor<1x128xf32>
}

// CHECK-LABEL: func.func @bf16
// CHECK: scf.for %{{.*}} = %c0{{.*}} to %c32{{.*}} step %c4
// CHECK: vector.transfer_read {{.*}} : tensor<?x64xbf16>, vector<8xbf16>
// CHECK-COUNT-16: vector.contract {{.*}} : vector<16x2xf32>, vector<2xf32> into vector<16xf32>
// CHECK-NOT: vector.contract
func.func @bf16(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<bf16>>) -> tensor<?x128xf32> {
  %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// CHECK-LABEL: func.func @f32
// CHECK: scf.for %{{.*}} = %c0{{.*}} to %c64{{.*}} step %c4
// CHECK: %[[X:.*]] = vector.transfer_read {{.*}} : tensor<?x64xf32>, vector<4xf32>
// CHECK: %[[X0:.*]] = vector.extract %[[X]][0]
// CHECK: vector.broadcast %[[X0]] : f32 to vector<16xf32>
// CHECK-COUNT-16: vector.fma
// CHECK-NOT: vector.fma
func.func @f32(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<f32>>) -> tensor<?x128xf32> {
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32, #flow.panels<f32>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// Depths that 16 bytes do not divide are read one by one.
// CHECK-LABEL: func.func @odd_depth
// CHECK: scf.for %{{.*}} = %c0{{.*}} to %c50{{.*}} step %c1
// CHECK: tensor.extract
func.func @odd_depth(%x: tensor<?x50xf32>, %w: tensor<128x50xf32, #flow.panels<f32>>) -> tensor<?x128xf32> {
  %y = flow.linear %x, %w : tensor<?x50xf32>, tensor<128x50xf32, #flow.panels<f32>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}
