// RUN: flow-opt %s --split-input-file --verify-diagnostics

// quantized_rows (C1)
// expected-error @+1 {{#flow.quantized_rows (C1): block must be 16 or 32, got 8}}
func.func private @f() attributes {a = #flow.quantized_rows<block = 8>}

// -----

// quantized_rows (C2)
// expected-error @+1 {{#flow.quantized_rows (C2): needs [T, K] of f32 with K static and a multiple of 32}}
func.func private @f() attributes {a = tensor<?x40xf32, #flow.quantized_rows<block = 32>>}
