// RUN: flow-opt %s --split-input-file --verify-diagnostics

// key_blocks (C1)
// expected-error @+1 {{#flow.key_blocks (C1): size must be positive, got 0}}
func.func private @f() attributes {a = #flow.key_blocks<first = zero, size = 0>}
