// RUN: flow-opt %s --split-input-file --verify-diagnostics

// qkv_rope_append (C1)
func.func @short_weight(%x: tensor<?x64xf32>, %w: tensor<96x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): weight must be [(H + 2 K) * D, d] for query [T, H, D], caches [C, K, D] and input [T, d], got 'tensor<96x64xf32>' for 'tensor<?x2x32xf32>', 'tensor<?x1x32xf32>' and 'tensor<?x64xf32>'}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<96x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C1)
func.func @depths(%x: tensor<?x64xf32>, %w: tensor<128x32xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): weight must be [(H + 2 K) * D, d] for query [T, H, D], caches [C, K, D] and input [T, d], got }}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C1)
func.func @open_depths(%x: tensor<?x?xf32>, %w: tensor<128x?xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): weight must be [(H + 2 K) * D, d] for query [T, H, D], caches [C, K, D] and input [T, d], got }}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x?xf32>, tensor<128x?xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C1)
func.func @rows(%x: tensor<4x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): weight must be [(H + 2 K) * D, d] for query [T, H, D], caches [C, K, D] and input [T, d], got }}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<4x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C1)
func.func @head_dims(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): weight must be [(H + 2 K) * D, d] for query [T, H, D], caches [C, K, D] and input [T, d], got }}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x16xf32>
  return
}

// -----

// qkv_rope_append (C1)
func.func @no_queries(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): weight must be [(H + 2 K) * D, d] for query [T, H, D], caches [C, K, D] and input [T, d], got }}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<64x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x0x32xf32>
  return
}

// -----

// qkv_rope_append (C1)
func.func @uneven_groups(%x: tensor<?x64xf32>, %w: tensor<224x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x2x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): weight must be [(H + 2 K) * D, d] for query [T, H, D], caches [C, K, D] and input [T, d], got }}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<224x64xf32>, tensor<?x16x2xf32>, tensor<?x2x32xf32> -> tensor<?x3x32xf32>
  return
}

// -----

// qkv_rope_append (C1)
func.func @too_many_heads(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x4611686018427387904x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): weight must be [(H + 2 K) * D, d] for query [T, H, D], caches [C, K, D] and input [T, d], got }}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x4611686018427387904x32xf32> -> tensor<?x4611686018427387904x32xf32>
  return
}

// -----

// qkv_rope_append (C2)
func.func @caches_differ(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %d: tensor<64x1x32xf32>, %i: index) {
  // expected-error @+1 {{all of {key_cache, value_cache, new_key_cache, new_value_cache} have same type}}
  %q, %k, %v = "flow.qkv_rope_append"(%x, %w, %a, %c, %d, %i, %i) {operandSegmentSizes = array<i32: 1, 1, 0, 0, 1, 1, 1, 1, 1, 0>} : (tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32>, tensor<64x1x32xf32>, index, index) -> (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  return
}

// -----

// qkv_rope_append (C3)
func.func @one_norm(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %n: tensor<32xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C3): there must be both head norms or none}}
  %q, %k, %v = "flow.qkv_rope_append"(%x, %w, %n, %a, %c, %c, %i, %i) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 1, 1, 1, 1, 0>} : (tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index, index) -> (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  return
}

// -----

// qkv_rope_append (C3)
func.func @short_norms(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %n: tensor<16xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C3): head norms must have one type of shape [32], got 'tensor<16xf32>' and 'tensor<16xf32>'}}
  %q, %k, %v = flow.qkv_rope_append %x, %w norms %n, %n rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<16xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C3)
func.func @two_norm_types(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %n: tensor<32xf32>, %m: tensor<32xbf16>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C3): head norms must have one type of shape [32], got 'tensor<32xf32>' and 'tensor<32xbf16>'}}
  %q, %k, %v = "flow.qkv_rope_append"(%x, %w, %n, %m, %a, %c, %c, %i, %i) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1, 1, 1, 0>} : (tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<32xbf16>, tensor<?x16x2xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index, index) -> (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  return
}

// -----

// qkv_rope_append (C4)
func.func @angles(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x8x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C4): angles must be [T, 16, 2], got 'tensor<?x8x2xf32>'}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x8x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C4)
func.func @cosines_only(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x16x1xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C4): angles must be [T, 16, 2], got 'tensor<?x16x1xf32>'}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x1xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C4)
func.func @rows_of_angles(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<4x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C4): angles must be [T, 16, 2], got 'tensor<4x16x2xf32>'}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<4x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C4)
func.func @odd_heads(%x: tensor<?x64xf32>, %w: tensor<124x64xf32>, %a: tensor<?x15x2xf32>, %c: tensor<?x1x31xf32>, %i: index) {
  // expected-error @+1 {{(C4): angles must be [T, 15, 2]}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<124x64xf32>, tensor<?x15x2xf32>, tensor<?x1x31xf32> -> tensor<?x2x31xf32>
  return
}

// -----

// qkv_rope_append (C5)
func.func @plain_rows(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32>>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C5): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows without encoding}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x64xf32, #flow.panels<i8, block = 32>>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C5)
func.func @plain_weight(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>, %w: tensor<128x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C5): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows #flow.quantized_rows<block = 32>}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C6)
func.func @zero_eps(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C6): eps must be finite and positive, got 0}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i eps 0.0 : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C1)
func.func @values_beside_raw_keys(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %angles: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): weight must be [(H + K) * D, d] for query [T, H, D], caches [C, K, D] and input [T, d], got }}
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w k_eq_v rope %angles into %c, %c at %i count %i : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C1)
func.func @sequences_without_slots(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %s: tensor<?x4xi32>) {
  // expected-error @+1 {{(C1): weight must be [(H + 2 K) * D, d] for query [T, H, D], caches [slots, C, K, D] and input [T, d], got 'tensor<128x64xf32>' for 'tensor<?x2x32xf32>', 'tensor<?x1x32xf32>' and 'tensor<?x64xf32>'}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c sequences %s : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

func.func @nowhere(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>) {
  // expected-error @+1 {{expected 'sequences'}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C7)
func.func @sequences_and_count(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x?x1x32xf32>, %i: index, %s: tensor<?x4xi32>) {
  // expected-error @+1 {{(C7): there must be either start and count or sequences}}
  %q, %k, %v = "flow.qkv_rope_append"(%x, %w, %a, %c, %c, %i, %s) {operandSegmentSizes = array<i32: 1, 1, 0, 0, 1, 1, 1, 0, 1, 1>} : (tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>, index, tensor<?x4xi32>) -> (tensor<?x2x32xf32>, tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>)
  return
}

// -----

// qkv_rope_append (C8)
func.func @single_rows_of_one_sequence(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C8): single_rows needs sequences}}
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %c, %c at %i count %i single_rows : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}
