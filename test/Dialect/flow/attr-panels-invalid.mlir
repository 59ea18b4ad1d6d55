// RUN: flow-opt %s --split-input-file --verify-diagnostics

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): i8 panels need a block of 16 or 32, got 8}}
func.func private @short_block() attributes {a = #flow.panels<i8, block = 8>}

// -----

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): i8 panels need a block of 16 or 32, got 0}}
func.func private @no_block() attributes {a = #flow.panels<i8>}

// -----

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): f32 panels have neither block, scale, min, bits, offset nor leading}}
func.func private @f32_block() attributes {a = #flow.panels<f32, block = 32>}

// -----

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): f32 panels have neither block, scale, min, bits, offset nor leading}}
func.func private @f32_scale() attributes {a = #flow.panels<f32, scale = f32>}

// -----

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): f32 panels have neither block, scale, min, bits, offset nor leading}}
func.func private @f32_min() attributes {a = #flow.panels<f32, min = true>}

// -----

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): bf16 panels have neither block, scale, min, bits, offset nor leading}}
func.func private @bf16_bits() attributes {a = #flow.panels<bf16, bits = 4>}

// -----

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): f32 panels have neither block, scale, min, bits, offset nor leading}}
func.func private @f32_offset() attributes {a = #flow.panels<f32, offset = 0>}

// -----

// panels (C3)
// expected-error @+1 {{#flow.panels (C3): quants have 4, 5, 6 or 8 bits, got 7}}
func.func private @seven_bits() attributes {a = #flow.panels<i8, block = 32, bits = 7, offset = 64>}

// -----

// panels (C3)
// expected-error @+1 {{#flow.panels (C3): quants of 4 bits need an offset of 0 or 8, got 128}}
func.func private @offset_of_bytes() attributes {a = #flow.panels<i8, block = 32, bits = 4>}

// -----

// panels (C3)
// expected-error @+1 {{#flow.panels (C3): quants of 8 bits need an offset of 128, got 0}}
func.func private @bytes_without_offset() attributes {a = #flow.panels<i8, block = 32, offset = 0>}

// -----

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): f32 panels have neither block, scale, min, bits, offset nor leading}}
func.func private @f32_leading() attributes {a = #flow.panels<f32, leading = 5>}

// -----

// panels (C4)
// expected-error @+1 {{#flow.panels (C4): 5 or 6 bits can lead, or 0 for all in one, got 4}}
func.func private @four_leading() attributes {a = #flow.panels<i8, block = 32, leading = 4>}

// -----

// panels (C4)
// expected-error @+1 {{#flow.panels (C4): leading bits are of quants of 8 bits with scales of f16 and without minima}}
func.func private @leading_of_six() attributes {a = #flow.panels<i8, block = 32, bits = 6, offset = 32, leading = 5>}

// -----

// panels (C4)
// expected-error @+1 {{#flow.panels (C4): leading bits are of quants of 8 bits with scales of f16 and without minima}}
func.func private @leading_with_wide_scales() attributes {a = #flow.panels<i8, block = 32, scale = f32, leading = 5>}

// -----

// panels (C4)
// expected-error @+1 {{#flow.panels (C4): leading bits are of quants of 8 bits with scales of f16 and without minima}}
func.func private @leading_with_minima() attributes {a = #flow.panels<i8, block = 32, min = true, leading = 6>}

// -----

// panels (C2)
// expected-error @+1 {{#flow.panels (C2): needs a static [N, K] of f32 with N a positive multiple of 32, got [33, 64]}}
func.func private @broken_panel() attributes {a = tensor<33x64xf32, #flow.panels<f32>>}

// -----

// panels (C2)
// expected-error @+1 {{#flow.panels (C2): needs a static [N, K] of f32}}
func.func private @open_rows() attributes {a = tensor<?x64xf32, #flow.panels<f32>>}

// -----

// panels (C2)
// expected-error @+1 {{#flow.panels (C2): needs a static [N, K] of f32 with N a positive multiple of 32, got [0, 64]}}
func.func private @empty() attributes {a = tensor<0x64xf32, #flow.panels<f32>>}

// -----

// panels (C2)
// expected-error @+1 {{#flow.panels (C2): needs a static [N, K] of f32 with N a positive multiple of 32, got [64]}}
func.func private @vector() attributes {a = tensor<64xf32, #flow.panels<f32>>}

// -----

// panels (C2)
// expected-error @+1 {{of 'bf16'}}
func.func private @element_type() attributes {a = tensor<32x64xbf16, #flow.panels<f32>>}

// -----

// panels (C2)
// expected-error @+1 {{#flow.panels (C2): needs a static [N, K] of f32 with N a positive multiple of 32 and K of 32, got [32, 40]}}
func.func private @broken_block() attributes {a = tensor<32x40xf32, #flow.panels<i8, block = 32>>}

// -----

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): bf16 panels have neither block, scale, min, bits, offset nor leading}}
func.func private @bf16_block() attributes {a = #flow.panels<bf16, block = 32>}

// -----

// panels (C2)
// expected-error @+1 {{#flow.panels (C2): needs a static [N, K] of f32 with N a positive multiple of 32 and K of 2, got [32, 33]}}
func.func private @half_a_pair() attributes {a = tensor<32x33xf32, #flow.panels<bf16>>}
