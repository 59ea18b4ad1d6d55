// RUN: flow-opt %s --cpu-aarch64-contract=isa=i8mm | FileCheck %s --check-prefix=I8MM
// RUN: flow-opt %s --cpu-aarch64-contract=isa=neon --split-input-file | FileCheck %s --check-prefix=NEON
// RUN: not flow-opt %s --cpu-aarch64-contract=isa=avx2 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: unknown isa 'avx2', expected i8mm, dotprod or neon

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// Four words of a register are four columns; the four bytes of the row are a
// word that all of them get.
// I8MM-LABEL: @unsigned
// I8MM-SAME: %{{.*}}, %[[X:.*]]: vector<4xi8>
// I8MM: %[[WORD:.*]] = vector.bitcast %[[X]] : vector<4xi8> to vector<1xi32>
// I8MM: %[[SCALAR:.*]] = vector.extract %[[WORD]][0]
// I8MM: vector.broadcast %[[SCALAR]] : i32 to vector<4xi32>
// I8MM-COUNT-2: llvm.call_intrinsic "llvm.aarch64.neon.usdot.v4i32.v16i8"
// I8MM-NOT: llvm.call_intrinsic
// I8MM-NOT: vector.contract
// NEON-LABEL: @unsigned
// NEON-COUNT-4: arith.muli
// NEON-NOT: vector.contract
func.func @unsigned(%w: vector<8x4xi8>, %x: vector<4xi8>, %acc: vector<8xi32>) -> vector<8xi32> {
  %w32 = arith.extui %w : vector<8x4xi8> to vector<8x4xi32>
  %x32 = arith.extsi %x : vector<4xi8> to vector<4xi32>
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<8x4xi32>, vector<4xi32> into vector<8xi32>
  return %r : vector<8xi32>
}
