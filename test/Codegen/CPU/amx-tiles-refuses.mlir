// RUN: flow-opt %s --cpu-amx-tiles --split-input-file --verify-diagnostics

#rows = affine_map<(pair, n, kk, m) -> (m, pair, kk)>
#panel = affine_map<(pair, n, kk, m) -> (pair, n, kk)>
#out = affine_map<(pair, n, kk, m) -> (m, n)>

// Tiles begin with zeros, not with what a buffer holds.
func.func @adds(%x: memref<?x16x2xbf16>, %w: memref<16x32x2xbf16>, %out: memref<?x32xf32>) {
  // expected-error @+1 {{is left: it is no product from zeros that tiles can compute}}
  linalg.generic {indexing_maps = [#rows, #panel, #out], iterator_types = ["reduction", "parallel", "reduction", "parallel"]}
      ins(%x, %w : memref<?x16x2xbf16>, memref<16x32x2xbf16>) outs(%out : memref<?x32xf32>) {
  ^bb0(%a: bf16, %b: bf16, %c: f32):
    %a32 = arith.extf %a : bf16 to f32
    %b32 = arith.extf %b : bf16 to f32
    %s = math.fma %a32, %b32, %c : f32
    linalg.yield %s : f32
  }
  return
}

// -----

#rows = affine_map<(pair, n, kk, m) -> (m, pair, kk)>
#panel = affine_map<(pair, n, kk, m) -> (pair, n, kk)>
#out = affine_map<(pair, n, kk, m) -> (m, n)>

// What lies between may read what the fill wrote.
func.func @read_between(%x: memref<?x16x2xbf16>, %w: memref<16x32x2xbf16>, %out: memref<?x32xf32>, %other: memref<f32>) {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{is left}}
  linalg.fill ins(%zero : f32) outs(%out : memref<?x32xf32>)
  %v = memref.load %out[%c0, %c0] : memref<?x32xf32>
  memref.store %v, %other[] : memref<f32>
  // expected-error @+1 {{is left}}
  linalg.generic {indexing_maps = [#rows, #panel, #out], iterator_types = ["reduction", "parallel", "reduction", "parallel"]}
      ins(%x, %w : memref<?x16x2xbf16>, memref<16x32x2xbf16>) outs(%out : memref<?x32xf32>) {
  ^bb0(%a: bf16, %b: bf16, %c: f32):
    %a32 = arith.extf %a : bf16 to f32
    %b32 = arith.extf %b : bf16 to f32
    %s = math.fma %a32, %b32, %c : f32
    linalg.yield %s : f32
  }
  return
}

// -----

#rows = affine_map<(pair, n, kk, m) -> (m, pair, kk)>
#panel = affine_map<(pair, n, kk, m) -> (pair, n, kk)>
#out = affine_map<(pair, n, kk, m) -> (m, n)>

// 48 numbers are a tile and a half.
func.func @part_of_a_tile(%x: memref<?x24x2xbf16>, %w: memref<24x32x2xbf16>, %out: memref<?x32xf32>) {
  %zero = arith.constant 0.0 : f32
  // expected-error @+1 {{is left}}
  linalg.fill ins(%zero : f32) outs(%out : memref<?x32xf32>)
  // expected-error @+1 {{is left}}
  linalg.generic {indexing_maps = [#rows, #panel, #out], iterator_types = ["reduction", "parallel", "reduction", "parallel"]}
      ins(%x, %w : memref<?x24x2xbf16>, memref<24x32x2xbf16>) outs(%out : memref<?x32xf32>) {
  ^bb0(%a: bf16, %b: bf16, %c: f32):
    %a32 = arith.extf %a : bf16 to f32
    %b32 = arith.extf %b : bf16 to f32
    %s = math.fma %a32, %b32, %c : f32
    linalg.yield %s : f32
  }
  return
}
