// RUN: flow-opt %s --split-input-file --verify-diagnostics

// bf16_rows (C1)
// expected-error @+1 {{#flow.bf16_rows (C1): needs [T, K] of f32 with K static, positive and even, got [4, 33] of 'f32'}}
func.func private @half_a_pair() attributes {a = tensor<4x33xf32, #flow.bf16_rows>}

// -----

// bf16_rows (C1)
// expected-error @+1 {{#flow.bf16_rows (C1): needs [T, K] of f32}}
func.func private @open_columns() attributes {a = tensor<4x?xf32, #flow.bf16_rows>}

// -----

// bf16_rows (C1)
// expected-error @+1 {{#flow.bf16_rows (C1): needs [T, K] of f32}}
func.func private @vector() attributes {a = tensor<64xf32, #flow.bf16_rows>}

// -----

// bf16_rows (C1)
// expected-error @+1 {{of 'bf16'}}
func.func private @element_type() attributes {a = tensor<?x64xbf16, #flow.bf16_rows>}
