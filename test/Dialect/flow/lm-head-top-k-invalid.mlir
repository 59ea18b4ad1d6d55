// RUN: flow-opt %s --split-input-file --verify-diagnostics

// lm_head_top_k (C1)
func.func @depths(%x: tensor<?x8xf32>, %w: tensor<4x6xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [V, d] must give [T, k] with 0 < k <= V < 2^31, got 'tensor<?x8xf32>' x 'tensor<4x6xf32>' -> 'tensor<?x2xf32>'}}
  %v, %i = flow.lm_head_top_k %x, %w : tensor<?x8xf32>, tensor<4x6xf32> -> tensor<?x2xf32>
  return
}

// -----

// lm_head_top_k (C1)
func.func @open_table(%x: tensor<?x8xf32>, %w: tensor<?x8xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [V, d] must give [T, k]}}
  %v, %i = flow.lm_head_top_k %x, %w : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x2xf32>
  return
}

// -----

// lm_head_top_k (C1)
func.func @too_many(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [V, d] must give [T, k]}}
  %v, %i = flow.lm_head_top_k %x, %w : tensor<?x8xf32>, tensor<4x8xf32> -> tensor<?x5xf32>
  return
}

// -----

// lm_head_top_k (C1)
func.func @other_rows(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [V, d] must give [T, k]}}
  %v, %i = flow.lm_head_top_k %x, %w : tensor<?x8xf32>, tensor<4x8xf32> -> tensor<1x2xf32>
  return
}

// -----

// lm_head_top_k (C2)
func.func @plain_rows(%x: tensor<?x64xf32>, %w: tensor<32x64xf32, #flow.panels<bf16>>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels}}
  %v, %i = flow.lm_head_top_k %x, %w : tensor<?x64xf32>, tensor<32x64xf32, #flow.panels<bf16>> -> tensor<?x2xf32>
  return
}

// -----

// lm_head_top_k (C3)
func.func @no_cap(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @+1 {{(C3): softcap must be finite and positive}}
  %v, %i = flow.lm_head_top_k %x, %w softcap 0.0 : tensor<?x8xf32>, tensor<4x8xf32> -> tensor<?x2xf32>
  return
}

// -----

// lm_head_top_k (C4)
func.func @wide_indices(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @+1 {{(C4): indices are i32 in the shape of values}}
  %v, %i = "flow.lm_head_top_k"(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> (tensor<?x2xf32>, tensor<?x1xi32>)
  return
}
