// RUN: flow-opt %s --split-input-file --verify-diagnostics

// weight_blocks (C1)
// expected-error @+1 {{#flow.weight_blocks (C1): needs 4 or 8 bits in blocks of 32, or 8 bits in blocks of 16 with scales of f32, got 5 bits in blocks of 32 with scales of f16}}
func.func private @five_bits() attributes {a = #flow.weight_blocks<bits = 5>}

// -----

// weight_blocks (C1)
// expected-error @+1 {{got 8 bits in blocks of 16 with scales of f16}}
func.func private @short_scales() attributes {a = #flow.weight_blocks<bits = 8, block = 16>}

// -----

// weight_blocks (C1)
// expected-error @+1 {{got 4 bits in blocks of 16 with scales of f32}}
func.func private @short_nibbles() attributes {a = #flow.weight_blocks<bits = 4, block = 16, scale = f32>}

// -----

// weight_blocks (C2)
// expected-error @+1 {{#flow.weight_blocks (C2): needs a static [N, K] of f32 with K a positive multiple of 32, got [8, 48] of 'f32'}}
func.func private @half_a_block() attributes {a = tensor<8x48xf32, #flow.weight_blocks<bits = 8>>}

// -----

// weight_blocks (C2)
// expected-error @+1 {{of 'bf16'}}
func.func private @element_type() attributes {a = tensor<8x64xbf16, #flow.weight_blocks<bits = 8>>}

// -----

// weight_blocks (C2)
// expected-error @+1 {{#flow.weight_blocks (C2)}}
func.func private @open_rows() attributes {a = tensor<?x64xf32, #flow.weight_blocks<bits = 8>>}
