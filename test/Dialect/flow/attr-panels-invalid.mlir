// RUN: flow-opt %s --split-input-file --verify-diagnostics

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): i8 panels need a block of 16 or 32, got 8}}
func.func private @f() attributes {a = #flow.panels<i8, block = 8>}

// -----

// panels (C1)
// expected-error @+1 {{#flow.panels (C1): f32 panels have no block}}
func.func private @f() attributes {a = #flow.panels<f32, block = 32>}

// -----

// panels (C2)
// expected-error @+1 {{#flow.panels (C2): needs a static [N, K] of f32 with N a multiple of 32}}
func.func private @f() attributes {a = tensor<33x64xf32, #flow.panels<f32>>}

// -----

// panels (C2)
// expected-error @+1 {{#flow.panels (C2): needs a static [N, K] of f32 with N a multiple of 32 and K too}}
func.func private @f() attributes {a = tensor<32x40xf32, #flow.panels<i8, block = 32>>}
