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

// -----

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// The factor does not fit 16 bits.
func.func @large_factor(%v: vector<16x2xi16>, %acc: vector<16xi32>) -> vector<16xi32> {
  %v32 = arith.extsi %v : vector<16x2xi16> to vector<16x2xi32>
  %factors = arith.constant dense<32768> : vector<2xi32>
  // expected-error @+1 {{is no dot product of unsigned by signed bytes}}
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %v32, %factors, %acc : vector<16x2xi32>, vector<2xi32> into vector<16xi32>
  return %r : vector<16xi32>
}

// -----

#npk = affine_map<(n, p, k) -> (n, p, k)>
#pk = affine_map<(n, p, k) -> (p, k)>
#np = affine_map<(n, p, k) -> (n, p)>

// Signed weights, onto 16 bits.
func.func @signed_shorts(%w: vector<16x2x2xi8>, %x: vector<2x2xi8>, %acc: vector<16x2xi16>) -> vector<16x2xi16> {
  %w16 = arith.extsi %w : vector<16x2x2xi8> to vector<16x2x2xi16>
  %x16 = arith.extsi %x : vector<2x2xi8> to vector<2x2xi16>
  // expected-error @+1 {{is no dot product of unsigned by signed bytes}}
  %r = vector.contract {indexing_maps = [#npk, #pk, #np], iterator_types = ["parallel", "parallel", "reduction"], kind = #vector.kind<add>} %w16, %x16, %acc : vector<16x2x2xi16>, vector<2x2xi16> into vector<16x2xi16>
  return %r : vector<16x2xi16>
}
