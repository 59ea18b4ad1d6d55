// RUN: flow-opt %s --cpu-x86-contract=isa=vnni --split-input-file --verify-diagnostics

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// Signed weights are not what the instruction multiplies.
func.func @signed_weights(%w: vector<32x4xi8>, %x: vector<4xi8>, %acc: vector<32xi32>) -> vector<32xi32> {
  %w32 = arith.extsi %w : vector<32x4xi8> to vector<32x4xi32>
  %x32 = arith.extsi %x : vector<4xi8> to vector<4xi32>
  // expected-error @+1 {{is no dot product of unsigned by signed bytes}}
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<32x4xi32>, vector<4xi32> into vector<32xi32>
  return %r : vector<32xi32>
}

// -----

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

func.func @floats(%w: vector<32x4xf32>, %x: vector<4xf32>, %acc: vector<32xf32>) -> vector<32xf32> {
  // expected-error @+1 {{is no dot product of unsigned by signed bytes}}
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w, %x, %acc : vector<32x4xf32>, vector<4xf32> into vector<32xf32>
  return %r : vector<32xf32>
}

// -----

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// Eight columns are half a register.
func.func @half_a_register(%w: vector<8x4xi8>, %x: vector<4xi8>, %acc: vector<8xi32>) -> vector<8xi32> {
  %w32 = arith.extui %w : vector<8x4xi8> to vector<8x4xi32>
  %x32 = arith.extsi %x : vector<4xi8> to vector<4xi32>
  // expected-error @+1 {{is no dot product of unsigned by signed bytes}}
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<8x4xi32>, vector<4xi32> into vector<8xi32>
  return %r : vector<8xi32>
}
