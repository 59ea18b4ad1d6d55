// RUN: flow-opt %s --split-input-file --verify-diagnostics

// quantized_rows (C1)
// expected-error @+1 {{#flow.quantized_rows (C1): block must be 16 or 32, got 8}}
func.func private @short_block() attributes {a = #flow.quantized_rows<block = 8>}

// -----

// quantized_rows (C2)
// expected-error @+1 {{#flow.quantized_rows (C2): needs [T, K] of f32 with K static and a positive multiple of 32, got [}}
func.func private @broken_block() attributes {a = tensor<?x40xf32, #flow.quantized_rows<block = 32>>}

// -----

// quantized_rows (C2)
// expected-error @+1 {{#flow.quantized_rows (C2): needs [T, K] of f32 with K static and a positive multiple of 32, got [4, 48]}}
func.func private @half_block() attributes {a = tensor<4x48xf32, #flow.quantized_rows<block = 16>>}

// -----

// quantized_rows (C2)
// expected-error @+1 {{#flow.quantized_rows (C2): needs [T, K] of f32}}
func.func private @open_columns() attributes {a = tensor<4x?xf32, #flow.quantized_rows<block = 32>>}

// -----

// quantized_rows (C2)
// expected-error @+1 {{#flow.quantized_rows (C2): needs [T, K] of f32}}
func.func private @vector() attributes {a = tensor<64xf32, #flow.quantized_rows<block = 32>>}

// -----

// quantized_rows (C2)
// expected-error @+1 {{of 'bf16'}}
func.func private @element_type() attributes {a = tensor<?x64xbf16, #flow.quantized_rows<block = 32>>}
