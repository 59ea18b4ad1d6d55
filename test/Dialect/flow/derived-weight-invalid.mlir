// RUN: flow-opt %s --split-input-file --verify-diagnostics

// T2

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  // derived_weight (C1)
  // expected-error @+1 {{(C1): @k is not a flow.weight beside the op}}
  flow.derived_weight @qk : tensor<96x64xf32> = concat [@q, @k]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.derived_weight @qk : tensor<96x64xf32> = concat [@q, @k]
  // derived_weight (C1)
  // expected-error @+1 {{(C1): @qk is not a flow.weight beside the op}}
  flow.derived_weight @qkq : tensor<160x64xf32> = concat [@qk, @q]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  // derived_weight (C1)
  // expected-error @+1 {{(C1): @buffer is not a flow.weight beside the op}}
  flow.derived_weight @qb : tensor<96x64xf32> = concat [@q, @buffer]
  flow.weight @buffer : memref<32x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  // derived_weight (C1)
  // expected-error @+1 {{(C1): needs at least two sources, got 1}}
  flow.derived_weight @only : tensor<64x64xf32> = concat [@q]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // derived_weight (C1)
  // expected-error @+1 {{(C1): needs at least two sources, got 0}}
  flow.derived_weight @none : tensor<64x64xf32> = concat []
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  // derived_weight (C2)
  // expected-error @+1 {{(C2): the sources make 'tensor<96x64xf32>', got 'tensor<64x64xf32>'}}
  flow.derived_weight @qk : tensor<64x64xf32> = concat [@q, @k]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  // derived_weight (C2)
  // expected-error @+1 {{(C2): the sources make 'tensor<96x64xf32>', got 'tensor<96x64xbf16>'}}
  flow.derived_weight @qk : tensor<96x64xbf16> = concat [@q, @k]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @d : tensor<64x128xf32>
  // derived_weight (C2)
  // expected-error @+1 {{(C2): sources must be matrices of one row length, got 'tensor<64x64xf32>' and 'tensor<64x128xf32>'}}
  flow.derived_weight @qd : tensor<128x64xf32> = concat [@q, @d]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @n : tensor<64xf32>
  // derived_weight (C2)
  // expected-error @+1 {{(C2): sources must be matrices of one row length}}
  flow.derived_weight @nn : tensor<128xf32> = concat [@n, @n]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  // derived_weight (C3)
  // expected-error @+1 {{(C3): interleaved sources must have one type with a multiple of 16 rows}}
  flow.derived_weight @qk : tensor<96x64xf32> = interleave [@q, @k]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @a : tensor<24x64xf32>
  flow.weight @b : tensor<24x64xf32>
  // derived_weight (C3)
  // expected-error @+1 {{(C3): interleaved sources must have one type with a multiple of 16 rows}}
  flow.derived_weight @ab : tensor<48x64xf32> = interleave [@a, @b]
}
