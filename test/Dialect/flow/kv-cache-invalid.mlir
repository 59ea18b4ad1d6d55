// RUN: flow-opt %s --split-input-file --verify-diagnostics

// T2

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // kv_cache (C1)
  // expected-error @+1 {{(C1): kv_heads and head_dim must be positive and below 2^31, got 0 and 32}}
  flow.kv_cache @kv kv_heads 0 head_dim 32
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // kv_cache (C1)
  // expected-error @+1 {{(C1): kv_heads and head_dim must be positive and below 2^31, got 1 and -32}}
  flow.kv_cache @kv kv_heads 1 head_dim -32
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // kv_cache (C1)
  // expected-error @+1 {{(C1): kv_heads and head_dim must be positive and below 2^31, got 2147483648 and 32}}
  flow.kv_cache @kv kv_heads 2147483648 head_dim 32
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // kv_cache (C2)
  // expected-error @+1 {{(C2): ring must be positive, got 0}}
  flow.kv_cache @kv kv_heads 1 head_dim 32 ring 0
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // kv_cache (C2)
  // expected-error @+1 {{(C2): ring must be positive, got -1}}
  flow.kv_cache @kv kv_heads 1 head_dim 32 ring -1
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // kv_cache (C3)
  // expected-error @+1 {{(C3): the type must be f32, bf16 or f16, got 'i8'}}
  flow.kv_cache @kv kv_heads 1 head_dim 32 type i8
}
