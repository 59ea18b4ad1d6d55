// RUN: flow-opt %s --split-input-file --verify-diagnostics

// mask (C1)
// expected-error @+1 {{#flow.mask (C1): window must not be negative, got -1}}
func.func private @negative_window() attributes {a = #flow.mask<causal, window = -1>}

// -----

// mask (C2)
// expected-error @+1 {{#flow.mask (C2): a full pattern has no window, got 4}}
func.func private @full_with_window() attributes {a = #flow.mask<full, window = 4>}

// -----

// mask (C3)
// expected-error @+1 {{#flow.mask (C3): a full pattern has no spans, got free}}
func.func private @full_with_spans() attributes {a = #flow.mask<full, spans = free>}

// -----

// mask (C4)
// expected-error @+1 {{#flow.mask (C4): windowed spans need a window}}
func.func private @windowed_without_window() attributes {a = #flow.mask<causal, spans = windowed>}

// -----

// T9: what a mask cannot say is refused where it is written.
// expected-error @+2 {{failed to parse Flow_MaskAttr parameter 'pattern'}}
// expected-error @+1 {{#flow.mask: expected causal or full, got 'custom': a mask is a predicate on positions, an arbitrary mask or bias has no form}}
func.func private @arbitrary() attributes {a = #flow.mask<custom>}

// -----

// expected-error @+2 {{failed to parse Flow_MaskAttr parameter 'spans'}}
// expected-error @+1 {{expected one of [none, free, windowed] for what a span does to a mask, got: wide}}
func.func private @unknown_rule() attributes {a = #flow.mask<causal, spans = wide>}
