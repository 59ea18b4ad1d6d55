// RUN: flow-opt %s --cpu-aarch64-contract=isa=dotprod | FileCheck %s
// RUN: flow-opt %s --cpu-aarch64-contract=isa=i8mm | FileCheck %s

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// CHECK-LABEL: @signed
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"
// CHECK-NOT: llvm.call_intrinsic
// CHECK-NOT: vector.contract
func.func @signed(%w: vector<8x4xi8>, %x: vector<4xi8>, %acc: vector<8xi32>) -> vector<8xi32> {
  %w32 = arith.extsi %w : vector<8x4xi8> to vector<8x4xi32>
  %x32 = arith.extsi %x : vector<4xi8> to vector<4xi32>
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<8x4xi32>, vector<4xi32> into vector<8xi32>
  return %r : vector<8xi32>
}
