// RUN: flow-opt %s --split-input-file --verify-diagnostics

// T2

// hyper (C1)
// expected-error @+1 {{#flow.hyper (C1): hidden, vocab and positions must be positive, the first two below 2^31, got 0, 512 and 256}}
func.func private @no_hidden() attributes {a = #flow.hyper<hidden = 0, vocab = 512, positions = 256>}

// -----

// hyper (C1)
// expected-error @+1 {{got 64, -1 and 256}}
func.func private @negative_vocab() attributes {a = #flow.hyper<hidden = 64, vocab = -1, positions = 256>}

// -----

// hyper (C1)
// expected-error @+1 {{got 64, 512 and 0}}
func.func private @no_positions() attributes {a = #flow.hyper<hidden = 64, vocab = 512, positions = 0>}

// -----

// hyper (C1)
// expected-error @+1 {{got 64, 2147483648 and 256}}
func.func private @large_vocab() attributes {a = #flow.hyper<hidden = 64, vocab = 2147483648, positions = 256>}

// -----

// hyper (C2)
// expected-error @+1 {{#flow.hyper (C2): eps must be finite and positive, got 0}}
func.func private @zero_eps() attributes {a = #flow.hyper<hidden = 64, vocab = 512, positions = 256, eps = 0.0>}

// -----

// hyper (C2)
// expected-error @+1 {{#flow.hyper (C2): eps must be finite and positive, got -1}}
func.func private @negative_eps() attributes {a = #flow.hyper<hidden = 64, vocab = 512, positions = 256, eps = -1.0>}

// -----

// hyper (C2)
// expected-error @+1 {{#flow.hyper (C2): eps must be finite and positive, got INF}}
func.func private @infinite_eps() attributes {a = #flow.hyper<hidden = 64, vocab = 512, positions = 256, eps = 0x7FF0000000000000>}

// -----

// hyper (C2)
// expected-error @+1 {{#flow.hyper (C2): eps must be finite and positive, got nan}}
func.func private @nan_eps() attributes {a = #flow.hyper<hidden = 64, vocab = 512, positions = 256, eps = 0x7FF8000000000000>}

// -----

// hyper (C3)
// expected-error @+1 {{#flow.hyper (C3): final_softcap must be finite and not negative, got INF}}
func.func private @infinite_softcap() attributes {a = #flow.hyper<hidden = 64, vocab = 512, positions = 256, final_softcap = 0x7FF0000000000000>}

// -----

// hyper (C3)
// expected-error @+1 {{#flow.hyper (C3): final_softcap must be finite and not negative, got -1}}
func.func private @negative_softcap() attributes {a = #flow.hyper<hidden = 64, vocab = 512, positions = 256, final_softcap = -1.0>}
