// RUN: flow-opt %s --split-input-file --verify-diagnostics

// expected-error @+2 {{expected one of [f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs] for how a weight is stored in its file, got: q9_9}}
// expected-error @+1 {{failed to parse}}
func.func private @f() attributes {a = #flow<storage q9_9>}
