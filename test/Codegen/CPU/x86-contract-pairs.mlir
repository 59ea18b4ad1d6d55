// RUN: flow-opt %s --cpu-x86-contract=isa=avx2 | FileCheck %s --check-prefix=AVX2
// RUN: flow-opt %s --cpu-x86-contract=isa=avx512 | FileCheck %s --check-prefix=AVX512

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// A pair of a row is one word, which all lanes get.
// AVX2-LABEL: @dot
// AVX2-SAME: %{{.*}}, %[[X:.*]]: vector<2xi16>
// AVX2: %[[WORD:.*]] = vector.bitcast %[[X]] : vector<2xi16> to vector<1xi32>
// AVX2: %[[SCALAR:.*]] = vector.extract %[[WORD]][0]
// AVX2: vector.broadcast %[[SCALAR]] : i32 to vector<8xi32>
// AVX2-COUNT-2: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// AVX2-NOT: llvm.call_intrinsic
// AVX512-LABEL: @dot
// AVX512-COUNT-1: llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"
// AVX512-NOT: llvm.call_intrinsic
func.func @dot(%w: vector<16x2xi16>, %x: vector<2xi16>, %acc: vector<16xi32>) -> vector<16xi32> {
  %w32 = arith.extsi %w : vector<16x2xi16> to vector<16x2xi32>
  %x32 = arith.extsi %x : vector<2xi16> to vector<2xi32>
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<16x2xi32>, vector<2xi32> into vector<16xi32>
  return %r : vector<16xi32>
}

// A sum of pairs, each number times a constant, has no row to widen.
// AVX2-LABEL: @sum
// AVX2: %[[EIGHTS:.*]] = arith.constant dense<8> : vector<2xi16>
// AVX2: vector.bitcast %[[EIGHTS]] : vector<2xi16> to vector<1xi32>
// AVX2-COUNT-2: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// AVX2-NOT: llvm.call_intrinsic
// AVX512-LABEL: @sum
// AVX512-COUNT-1: llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"
func.func @sum(%v: vector<16x2xi16>, %acc: vector<16xi32>) -> vector<16xi32> {
  %v32 = arith.extsi %v : vector<16x2xi16> to vector<16x2xi32>
  %eights = arith.constant dense<8> : vector<2xi32>
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %v32, %eights, %acc : vector<16x2xi32>, vector<2xi32> into vector<16xi32>
  return %r : vector<16xi32>
}

#npk = affine_map<(n, p, k) -> (n, p, k)>
#pk = affine_map<(n, p, k) -> (p, k)>
#np = affine_map<(n, p, k) -> (n, p)>

// Two pairs of bytes onto two sums of 16 bits.
// AVX2-LABEL: @shorts
// AVX2-SAME: %{{.*}}, %[[X:.*]]: vector<2x2xi8>
// AVX2: %[[FLAT:.*]] = vector.shape_cast %[[X]] : vector<2x2xi8> to vector<4xi8>
// AVX2: %[[WORD:.*]] = vector.bitcast %[[FLAT]] : vector<4xi8> to vector<1xi32>
// AVX2: %[[SCALAR:.*]] = vector.extract %[[WORD]][0]
// AVX2: vector.broadcast %[[SCALAR]] : i32 to vector<8xi32>
// AVX2-COUNT-2: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// AVX2-NOT: llvm.call_intrinsic
// AVX512-LABEL: @shorts
// AVX512-COUNT-1: llvm.call_intrinsic "llvm.x86.avx512.pmaddubs.w.512"
// AVX512-NOT: llvm.call_intrinsic
func.func @shorts(%w: vector<16x2x2xi8>, %x: vector<2x2xi8>, %acc: vector<16x2xi16>) -> vector<16x2xi16> {
  %w16 = arith.extui %w : vector<16x2x2xi8> to vector<16x2x2xi16>
  %x16 = arith.extsi %x : vector<2x2xi8> to vector<2x2xi16>
  %r = vector.contract {indexing_maps = [#npk, #pk, #np], iterator_types = ["parallel", "parallel", "reduction"], kind = #vector.kind<add>} %w16, %x16, %acc : vector<16x2x2xi16>, vector<2x2xi16> into vector<16x2xi16>
  return %r : vector<16x2xi16>
}
