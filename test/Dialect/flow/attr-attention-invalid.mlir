// RUN: flow-opt %s --split-input-file --verify-diagnostics

// attention (C1)
// expected-error @+1 {{#flow.attention (C1): heads, kv_heads and an even head_dim must be positive, got 4, 1 and 255}}
func.func private @f() attributes {a = #flow.attention<heads = 4, kv_heads = 1, head_dim = 255>}

// -----

// attention (C2)
// expected-error @+1 {{#flow.attention (C2): 4 heads cannot share 3 key/value heads}}
func.func private @f() attributes {a = #flow.attention<heads = 4, kv_heads = 3, head_dim = 256>}

// -----

// attention (C3)
// expected-error @+1 {{#flow.attention (C3): scale and softcap must be finite and not negative}}
func.func private @f() attributes {a = #flow.attention<heads = 4, kv_heads = 1, head_dim = 256, scale = -1.0>}
