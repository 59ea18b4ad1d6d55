// RUN: flow-opt %s --split-input-file --verify-diagnostics

// T2, T11

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // rope_table (C1)
  // expected-error @+1 {{(C1): theta must be finite and positive, got 0}}
  flow.rope_table @t theta 0.0 head_dim 32
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // rope_table (C1)
  // expected-error @+1 {{(C1): theta must be finite and positive, got INF}}
  flow.rope_table @t theta 0x7FF0000000000000 head_dim 32
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // rope_table (C1)
  // expected-error @+1 {{(C1): factor must be finite and positive, got -1}}
  flow.rope_table @t theta 1.0 head_dim 32 factor -1.0
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // rope_table (C2)
  // expected-error @+1 {{(C2): head_dim must be positive, even and below 2^31, got 31}}
  flow.rope_table @t theta 1.0 head_dim 31
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // rope_table (C2)
  // expected-error @+1 {{(C2): head_dim must be positive, even and below 2^31, got 0}}
  flow.rope_table @t theta 1.0 head_dim 0
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // rope_table (C2)
  // expected-error @+1 {{(C2): head_dim must be positive, even and below 2^31, got 2147483648}}
  flow.rope_table @t theta 1.0 head_dim 2147483648
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // rope_table (C3)
  // expected-error @+1 {{(C3): pairs must lie in [1, 16], got 17}}
  flow.rope_table @t theta 1.0 head_dim 32 pairs 17
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // rope_table (C3)
  // expected-error @+1 {{(C3): pairs must lie in [1, 16], got 0}}
  flow.rope_table @t theta 1.0 head_dim 32 pairs 0
}
