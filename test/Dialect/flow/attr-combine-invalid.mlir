// RUN: flow-opt %s --split-input-file --verify-diagnostics

// expected-error @+2 {{expected one of [concat, interleave] for how sources make a derived weight, got: zip}}
// expected-error @+1 {{failed to parse}}
func.func private @f() attributes {a = #flow<combine zip>}
