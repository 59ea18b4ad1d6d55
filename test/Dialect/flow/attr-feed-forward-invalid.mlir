// RUN: flow-opt %s --split-input-file --verify-diagnostics

// T2

// feed_forward (C1)
// expected-error @+1 {{#flow.feed_forward (C1): width must be positive and below 2^31, got 0}}
func.func private @no_width() attributes {a = #flow.feed_forward<width = 0>}

// -----

// feed_forward (C1)
// expected-error @+1 {{#flow.feed_forward (C1): width must be positive and below 2^31, got 2147483648}}
func.func private @large_width() attributes {a = #flow.feed_forward<width = 2147483648>}

// -----

// feed_forward (C2)
// expected-error @+1 {{#flow.feed_forward (C2): experts, top_k and expert_width must be all positive and below 2^31, or all 0, got 4, 0 and 0}}
func.func private @experts_without_rest() attributes {a = #flow.feed_forward<width = 8, experts = 4>}

// -----

// feed_forward (C2)
// expected-error @+1 {{got 0, 0 and 8}}
func.func private @width_without_experts() attributes {a = #flow.feed_forward<width = 8, expert_width = 8>}

// -----

// feed_forward (C3)
// expected-error @+1 {{#flow.feed_forward (C3): top_k 5 exceeds the 4 experts}}
func.func private @too_many_chosen() attributes {a = #flow.feed_forward<width = 8, experts = 4, top_k = 5, expert_width = 8>}
