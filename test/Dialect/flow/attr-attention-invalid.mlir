// RUN: flow-opt %s --split-input-file --verify-diagnostics

// T2

// attention (C1)
// expected-error @+1 {{#flow.attention (C1): heads, kv_heads and an even head_dim must be positive and below 2^31, got 4, 1 and 255}}
func.func private @odd_head_dim() attributes {a = #flow.attention<heads = 4, kv_heads = 1, head_dim = 255>}

// -----

// attention (C1)
// expected-error @+1 {{got 4, 1 and 0}}
func.func private @no_head_dim() attributes {a = #flow.attention<heads = 4, kv_heads = 1, head_dim = 0>}

// -----

// attention (C1)
// expected-error @+1 {{got 4, 0 and 256}}
func.func private @no_kv_heads() attributes {a = #flow.attention<heads = 4, kv_heads = 0, head_dim = 256>}

// -----

// attention (C1)
// expected-error @+1 {{got 2147483648, 1 and 256}}
func.func private @large_heads() attributes {a = #flow.attention<heads = 2147483648, kv_heads = 1, head_dim = 256>}

// -----

// attention (C2)
// expected-error @+1 {{#flow.attention (C2): 4 heads cannot share 3 key/value heads}}
func.func private @uneven_groups() attributes {a = #flow.attention<heads = 4, kv_heads = 3, head_dim = 256>}

// -----

// attention (C2)
// expected-error @+1 {{#flow.attention (C2): 4 heads cannot share 8 key/value heads}}
func.func private @more_keys_than_queries() attributes {a = #flow.attention<heads = 4, kv_heads = 8, head_dim = 256>}

// -----

// attention (C3)
// expected-error @+1 {{#flow.attention (C3): scale and softcap must be finite and not negative, got -1}}
func.func private @negative_scale() attributes {a = #flow.attention<heads = 4, kv_heads = 1, head_dim = 256, scale = -1.0>}

// -----

// attention (C3)
// expected-error @+1 {{#flow.attention (C3): scale and softcap must be finite and not negative, got INF}}
func.func private @infinite_softcap() attributes {a = #flow.attention<heads = 4, kv_heads = 1, head_dim = 256, softcap = 0x7FF0000000000000>}
