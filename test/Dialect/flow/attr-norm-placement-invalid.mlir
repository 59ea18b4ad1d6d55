// RUN: flow-opt %s --split-input-file --verify-diagnostics

// T2

// expected-error @+2 {{expected one of [pre, sandwich] for where a layer normalises, got: post}}
// expected-error @+1 {{failed to parse}}
func.func private @f() attributes {a = #flow<norm_placement post>}
