// RUN: flow-opt %s --split-input-file --verify-diagnostics

// feed_forward (C1)
// expected-error @+1 {{#flow.feed_forward (C1): width must be positive, got 0}}
func.func private @f() attributes {a = #flow.feed_forward<width = 0>}

// -----

// feed_forward (C2)
// expected-error @+1 {{#flow.feed_forward (C2): experts, top_k and expert_width must be all positive or all 0}}
func.func private @f() attributes {a = #flow.feed_forward<width = 8, experts = 4>}

// -----

// feed_forward (C3)
// expected-error @+1 {{#flow.feed_forward (C3): top_k 5 exceeds the 4 experts}}
func.func private @f() attributes {a = #flow.feed_forward<width = 8, experts = 4, top_k = 5, expert_width = 8>}
