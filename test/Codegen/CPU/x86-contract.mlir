// RUN: flow-opt %s --cpu-x86-contract=isa=vnni | FileCheck %s --check-prefix=VNNI
// RUN: flow-opt %s --cpu-x86-contract=isa=vnni256 | FileCheck %s --check-prefix=VNNI256
// RUN: flow-opt %s --cpu-x86-contract=isa=avx2 | FileCheck %s --check-prefix=AVX2
// RUN: flow-opt %s --cpu-x86-contract=isa=generic | FileCheck %s --check-prefix=GENERIC
// RUN: flow-opt %s --cpu-x86-contract=isa=avx512 | FileCheck %s --check-prefix=AVX512
// RUN: not flow-opt %s --cpu-x86-contract=isa=neon 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: unknown isa 'neon', expected vnni, avx512, vnni256, avx2 or generic

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// VNNI-LABEL: @dot
// VNNI-COUNT-2: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// VNNI-NOT: vector.contract
// VNNI256-LABEL: @dot
// VNNI256-COUNT-4: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"
// VNNI256-NOT: llvm.call_intrinsic
// VNNI256-NOT: vector.contract
// AVX2-LABEL: @dot
// AVX2-COUNT-8: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// AVX2-NOT: vector.contract
// AVX512-LABEL: @dot
// AVX512-COUNT-4: llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"
// AVX512-NOT: vector.contract
// GENERIC-LABEL: @dot
// GENERIC-COUNT-4: arith.muli
// GENERIC-NOT: vector.contract
func.func @dot(%w: vector<32x4xi8>, %x: vector<4xi8>, %acc: vector<32xi32>) -> vector<32xi32> {
  %w32 = arith.extui %w : vector<32x4xi8> to vector<32x4xi32>
  %x32 = arith.extsi %x : vector<4xi8> to vector<4xi32>
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<32x4xi32>, vector<4xi32> into vector<32xi32>
  return %r : vector<32xi32>
}
