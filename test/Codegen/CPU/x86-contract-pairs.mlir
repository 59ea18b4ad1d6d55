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
