// RUN: flow-opt %s --cpu-amx-tiles | FileCheck %s

#rows = affine_map<(pair, n, kk, m) -> (m, pair, kk)>
#row = affine_map<(pair, n, kk) -> (pair, kk)>
#panel = affine_map<(pair, n, kk, m) -> (pair, n, kk)>
#panel1 = affine_map<(pair, n, kk) -> (pair, n, kk)>
#out = affine_map<(pair, n, kk, m) -> (m, n)>
#out1 = affine_map<(pair, n, kk) -> (n)>

// While more than 16 rows are left, four sums of two tiles of rows and two of
// the panel; then two sums, if no more than 16 were left.
// CHECK-LABEL: @rows
// CHECK-NOT: linalg
// CHECK: scf.for {{.*}} step %{{.*}} {
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilezero.internal"
// CHECK: scf.for {{.*}} -> (!llvm.x86_amx, !llvm.x86_amx, !llvm.x86_amx, !llvm.x86_amx)
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"
// CHECK: scf.yield
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64.internal"
// CHECK: scf.if
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tilezero.internal"
// CHECK-COUNT-3: llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tilestored64.internal"
// CHECK-NOT: llvm.call_intrinsic
func.func @rows(%x: memref<?x16x2xbf16>, %w: memref<16x32x2xbf16>, %out: memref<?x32xf32, strided<[128, 1], offset: ?>>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%out : memref<?x32xf32, strided<[128, 1], offset: ?>>)
  linalg.generic {indexing_maps = [#rows, #panel, #out], iterator_types = ["reduction", "parallel", "reduction", "parallel"]}
      ins(%x, %w : memref<?x16x2xbf16>, memref<16x32x2xbf16>) outs(%out : memref<?x32xf32, strided<[128, 1], offset: ?>>) {
  ^bb0(%a: bf16, %b: bf16, %c: f32):
    %a32 = arith.extf %a : bf16 to f32
    %b32 = arith.extf %b : bf16 to f32
    %s = math.fma %a32, %b32, %c : f32
    linalg.yield %s : f32
  }
  return
}

// A single row is a tile of one.
// CHECK-LABEL: @row
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : index
// CHECK: %[[ROWS:.*]] = arith.index_cast %[[ONE]] : index to i16
// CHECK: llvm.call_intrinsic "llvm.x86.tilezero.internal"(%[[ROWS]], %{{.*}})
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"(%[[ROWS]],
// CHECK-NOT: "llvm.x86.tdpbf16ps.internal"
func.func @row(%x: memref<16x2xbf16>, %w: memref<16x32x2xbf16>, %out: memref<32xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%out : memref<32xf32>)
  linalg.generic {indexing_maps = [#row, #panel1, #out1], iterator_types = ["reduction", "parallel", "reduction"]}
      ins(%x, %w : memref<16x2xbf16>, memref<16x32x2xbf16>) outs(%out : memref<32xf32>) {
  ^bb0(%a: bf16, %b: bf16, %c: f32):
    %a32 = arith.extf %a : bf16 to f32
    %b32 = arith.extf %b : bf16 to f32
    %s = math.fma %a32, %b32, %c : f32
    linalg.yield %s : f32
  }
  return
}

#bytes_rows = affine_map<(quad, n, kk, m) -> (m, quad, kk)>
#bytes_panel = affine_map<(quad, n, kk, m) -> (quad, n, kk)>
#bytes_out = affine_map<(quad, n, kk, m) -> (m, n)>

// A block of bytes is 16 deep: tiles of rows are 16 bytes wide, those of the
// panel have 4 rows.
// CHECK-LABEL: @block_of_bytes
// CHECK-NOT: linalg
// CHECK: scf.if
// CHECK: scf.for
// CHECK-DAG: %[[SIXTEEN:.*]] = arith.constant 16 : i16
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%[[ROWS:.*]], %[[SIXTEEN]], %{{.*}}, %{{.*}})
// CHECK: %[[FOUR:.*]] = arith.constant 4 : i16
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%[[FOUR]],
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbssd.internal"(%[[ROWS]],
func.func @block_of_bytes(%x: memref<12x4x4xi8, strided<[64, 4, 1], offset: ?>>, %w: memref<4x32x4xi8, strided<[128, 4, 1], offset: ?>>, %out: memref<12x32xi32>) {
  %zero = arith.constant 0 : i32
  linalg.fill ins(%zero : i32) outs(%out : memref<12x32xi32>)
  linalg.generic {indexing_maps = [#bytes_rows, #bytes_panel, #bytes_out], iterator_types = ["reduction", "parallel", "reduction", "parallel"]}
      ins(%x, %w : memref<12x4x4xi8, strided<[64, 4, 1], offset: ?>>, memref<4x32x4xi8, strided<[128, 4, 1], offset: ?>>) outs(%out : memref<12x32xi32>) {
  ^bb0(%a: i8, %b: i8, %c: i32):
    %a32 = arith.extsi %a : i8 to i32
    %b32 = arith.extsi %b : i8 to i32
    %p = arith.muli %a32, %b32 : i32
    %s = arith.addi %c, %p : i32
    linalg.yield %s : i32
  }
  return
}
