// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions{amx=true widen-bf16=true}))' | FileCheck %s

// Each panel's product waits for its buffers; rows stay bf16.
// CHECK-LABEL: func.func @rows
// CHECK-NOT: linalg
// CHECK: scf.forall (%[[PANEL:.*]]) in (4) shared_outs(%{{.*}}) -> (tensor<?x128xf32>)
// CHECK: %[[OUT:.*]] = tensor.extract_slice %{{.*}} : tensor<?x128xf32> to tensor<?x32xf32>
// CHECK: tensor.extract_slice %{{.*}}[%[[PANEL]], 0, 0] [1, 32, 64] [1, 1, 1] : tensor<4x32x64xbf16> to tensor<32x64xbf16>
// CHECK: %[[ZERO:.*]] = linalg.fill ins(%{{.*}} : f32) outs(%[[OUT]] : tensor<?x32xf32>)
// CHECK: linalg.generic
// CHECK-SAME: ins(%{{.*}}, %{{.*}} : tensor<?x32x2xbf16>, tensor<32x32x2xbf16>) outs(%[[ZERO]] : tensor<?x32xf32>)
// CHECK-NOT: vector.contract
// CHECK: tensor.parallel_insert_slice
func.func @rows(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<bf16>>) -> tensor<?x128xf32> {
  %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// A single row adds in the order of the others.
// CHECK-LABEL: func.func @row
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = ["reduction", "parallel", "reduction"]
// CHECK-SAME: ins(%{{.*}}, %{{.*}} : tensor<32x2xbf16>, tensor<32x32x2xbf16>) outs(%{{.*}} : tensor<32xf32>)
func.func @row(%x: tensor<1x64xf32>, %w: tensor<128x64xf32, #flow.panels<bf16>>) -> tensor<1x128xf32> {
  %r = flow.quantize_rows %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<1x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<1x128xf32>
  return %y : tensor<1x128xf32>
}

// A tile is 32 numbers deep.
// CHECK-LABEL: func.func @part_of_a_tile
// CHECK-NOT: linalg
// CHECK: vector.fma
// CHECK: tensor.parallel_insert_slice
func.func @part_of_a_tile(%x: tensor<?x48xf32>, %w: tensor<64x48xf32, #flow.panels<bf16>>) -> tensor<?x64xf32> {
  %r = flow.quantize_rows %x : tensor<?x48xf32> -> tensor<?x48xf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<?x48xf32, #flow.bf16_rows>, tensor<64x48xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// A product of one panel is no loop, and would share a function with others.
// CHECK-LABEL: func.func @one_panel
// CHECK-NOT: linalg
// CHECK: return
func.func @one_panel(%x: tensor<?x64xf32>, %w: tensor<32x64xf32, #flow.panels<bf16>>) -> tensor<?x32xf32> {
  %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<?x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// Bytes are made signed once for a panel; a block of 12 rows is one product,
// whose sums are read back and scaled.
// CHECK-LABEL: func.func @bytes
// CHECK: scf.forall (%[[PANEL:.*]]) in (2)
// CHECK: %[[U:.*]] = vector.transfer_read %{{.*}}[%[[PANEL]], {{.*}} : tensor<2x16x128xi8>, vector<128xi8>
// CHECK: %[[OFFSET:.*]] = arith.constant dense<-128> : vector<128xi8>
// CHECK: arith.subi %[[U]], %[[OFFSET]] : vector<128xi8>
// CHECK: linalg.generic
// CHECK-SAME: ins(%{{.*}}, %{{.*}} : tensor<12x4x4xi8>, tensor<4x32x4xi8>) outs(%{{.*}} : tensor<12x32xi32>)
// CHECK-COUNT-12: vector.transfer_read %{{.*}} : tensor<12x32xi32>, vector<32xi32>
// CHECK-COUNT-12: vector.fma
// CHECK-NOT: vector.contract
// CHECK: tensor.parallel_insert_slice
func.func @bytes(%x: tensor<?x64xf32>, %w: tensor<64x64xf32, #flow.panels<i8, block = 32>>) -> tensor<?x64xf32> {
  %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  %y = flow.linear %r, %w : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<64x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// A single row of bytes is no tile.
// CHECK-LABEL: func.func @row_of_bytes
// CHECK-NOT: linalg
// CHECK: vector.contract
// CHECK: tensor.parallel_insert_slice
func.func @row_of_bytes(%x: tensor<1x64xf32>, %w: tensor<64x64xf32, #flow.panels<i8, block = 32>>) -> tensor<1x64xf32> {
  %r = flow.quantize_rows %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.quantized_rows<block = 16>>
  %y = flow.linear %r, %w : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<64x64xf32, #flow.panels<i8, block = 32>> -> tensor<1x64xf32>
  return %y : tensor<1x64xf32>
}
