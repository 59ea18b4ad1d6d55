// RUN: flow-opt %s --split-input-file --verify-diagnostics

// mask (C1)
// expected-error @+1 {{#flow.mask (C1): window must not be negative, got -1}}
func.func private @negative_window() attributes {a = #flow.mask<causal, window = -1>}

// -----

// mask (C2)
// expected-error @+1 {{#flow.mask (C2): a full pattern has no window, got 4}}
func.func private @full_with_window() attributes {a = #flow.mask<full, window = 4>}
