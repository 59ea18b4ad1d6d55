// RUN: flow-opt %s --split-input-file --verify-diagnostics

// hyper (C1)
// expected-error @+1 {{#flow.hyper (C1): hidden, vocab and positions must be positive, got 0, 512 and 256}}
func.func private @f() attributes {a = #flow.hyper<hidden = 0, vocab = 512, positions = 256>}

// -----

// hyper (C2)
// expected-error @+1 {{#flow.hyper (C2): eps must be finite and positive}}
func.func private @f() attributes {a = #flow.hyper<hidden = 64, vocab = 512, positions = 256, eps = 0.0>}

// -----

// hyper (C3)
// expected-error @+1 {{#flow.hyper (C3): final_softcap must be finite and not negative}}
func.func private @f() attributes {a = #flow.hyper<hidden = 64, vocab = 512, positions = 256, final_softcap = -1.0>}
