// RUN: flow-opt %s --cpu-aarch64-contract='isa=dotprod bf16=true' --split-input-file --verify-diagnostics

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// Unsigned weights are not what the instruction multiplies.
func.func @unsigned_weights(%w: vector<8x4xi8>, %x: vector<4xi8>, %acc: vector<8xi32>) -> vector<8xi32> {
  %w32 = arith.extui %w : vector<8x4xi8> to vector<8x4xi32>
  %x32 = arith.extsi %x : vector<4xi8> to vector<4xi32>
  // expected-error @+1 {{is no dot product of unsigned by signed bytes, of signed bytes}}
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<8x4xi32>, vector<4xi32> into vector<8xi32>
  return %r : vector<8xi32>
}

// -----

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// Two columns are half a register.
func.func @half_a_register(%w: vector<2x4xi8>, %x: vector<4xi8>, %acc: vector<2xi32>) -> vector<2xi32> {
  %w32 = arith.extsi %w : vector<2x4xi8> to vector<2x4xi32>
  %x32 = arith.extsi %x : vector<4xi8> to vector<4xi32>
  // expected-error @+1 {{that the target has instructions for}}
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<2x4xi32>, vector<4xi32> into vector<2xi32>
  return %r : vector<2xi32>
}

// -----

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

func.func @half_a_register_of_bf16(%w: vector<2x2xbf16>, %x: vector<2xbf16>, %acc: vector<2xf32>) -> vector<2xf32> {
  %w32 = arith.extf %w : vector<2x2xbf16> to vector<2x2xf32>
  %x32 = arith.extf %x : vector<2xbf16> to vector<2xf32>
  // expected-error @+1 {{that the target has instructions for}}
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<2x2xf32>, vector<2xf32> into vector<2xf32>
  return %r : vector<2xf32>
}

// -----

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// Pairs of 16-bit numbers are what other targets widen bytes to.
func.func @pairs(%w: vector<8x2xi16>, %x: vector<2xi16>, %acc: vector<8xi32>) -> vector<8xi32> {
  %w32 = arith.extsi %w : vector<8x2xi16> to vector<8x2xi32>
  %x32 = arith.extsi %x : vector<2xi16> to vector<2xi32>
  // expected-error @+1 {{that the target has instructions for}}
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<8x2xi32>, vector<2xi32> into vector<8xi32>
  return %r : vector<8xi32>
}
