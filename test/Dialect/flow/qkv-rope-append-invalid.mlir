// RUN: flow-opt %s --split-input-file --verify-diagnostics

// qkv_rope_append (C1)
func.func @f(%x: tensor<?x64xf32>, %w: tensor<96x64xf32>, %qn: tensor<32xf32>, %kn: tensor<32xf32>, %angles: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // expected-error @+1 {{(C1): weight must be [(H + 2 K) * D, d]}}
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %qn, %kn rope %angles into %kc, %vc at %start count %count : tensor<?x64xf32>, tensor<96x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C2)
func.func @f(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %qn: tensor<32xf32>, %kn: tensor<32xf32>, %angles: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<64x1x32xf32>, %start: index, %count: index) {
  // expected-error @+1 {{have same type}}
  %q, %k1, %v1 = "flow.qkv_rope_append"(%x, %w, %angles, %kc, %vc, %start, %count) {operandSegmentSizes = array<i32: 1, 1, 0, 0, 1, 1, 1, 1, 1>} : (tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32>, tensor<64x1x32xf32>, index, index) -> (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  return
}

// -----

// qkv_rope_append (C3)
func.func @f(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %qn: tensor<32xf32>, %kn: tensor<32xf32>, %angles: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // expected-error @+1 {{(C3): there must be both head norms or none}}
  %q, %k1, %v1 = "flow.qkv_rope_append"(%x, %w, %qn, %angles, %kc, %vc, %start, %count) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 1, 1, 1, 1>} : (tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index, index) -> (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  return
}

// -----

// qkv_rope_append (C3)
func.func @f(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %qn: tensor<16xf32>, %kn: tensor<16xf32>, %angles: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // expected-error @+1 {{(C3): head norms must have shape [32]}}
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %qn, %kn rope %angles into %kc, %vc at %start count %count : tensor<?x64xf32>, tensor<128x64xf32>, tensor<16xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C4)
func.func @f(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %qn: tensor<32xf32>, %kn: tensor<32xf32>, %angles: tensor<?x8x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // expected-error @+1 {{(C4): angles must be [T, 16, 2]}}
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %qn, %kn rope %angles into %kc, %vc at %start count %count : tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x8x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C5)
func.func @f(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<i8, block = 32>>, %qn: tensor<32xf32>, %kn: tensor<32xf32>, %angles: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // expected-error @+1 {{(C5): quantised rows and i8 panels of the same block or twice it must meet}}
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %qn, %kn rope %angles into %kc, %vc at %start count %count : tensor<?x64xf32>, tensor<128x64xf32, #flow.panels<i8, block = 32>>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// -----

// qkv_rope_append (C6)
func.func @f(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %qn: tensor<32xf32>, %kn: tensor<32xf32>, %angles: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // expected-error @+1 {{(C6): eps must be finite and positive}}
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %qn, %kn rope %angles into %kc, %vc at %start count %count eps 0.0 : tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}
