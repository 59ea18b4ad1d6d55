// RUN: flow-opt %s --split-input-file --verify-diagnostics

// T2

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C1)
  // expected-error @+1 {{(C1): the type must be a static f32 tensor of rank 1 or 2 without encoding, its extents positive and below 2^31, got 'tensor<?x64xf32>'}}
  flow.weight @w : tensor<?x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C1)
  // expected-error @+1 {{(C1): the type must be a static f32 tensor of rank 1 or 2 without encoding, its extents positive and below 2^31, got 'tensor<2x2x64xf32>'}}
  flow.weight @w : tensor<2x2x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C1)
  // expected-error @+1 {{(C1): the type must be a static f32 tensor of rank 1 or 2 without encoding, its extents positive and below 2^31, got 'tensor<f32>'}}
  flow.weight @w : tensor<f32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C1)
  // expected-error @+1 {{(C1): the type must be a static f32 tensor of rank 1 or 2 without encoding, its extents positive and below 2^31, got 'tensor<64x64xbf16>'}}
  flow.weight @w : tensor<64x64xbf16>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C1)
  // expected-error @+1 {{(C1): the type must be a static f32 tensor of rank 1 or 2 without encoding, its extents positive and below 2^31, got 'tensor<0x64xf32>'}}
  flow.weight @w : tensor<0x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C1)
  // expected-error @+1 {{(C1): the type must be a static f32 tensor of rank 1 or 2 without encoding, its extents positive and below 2^31, got 'tensor<2147483648x64xf32>'}}
  flow.weight @w : tensor<2147483648x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C1)
  // expected-error @+1 {{(C1): the type must be a static f32 tensor of rank 1 or 2 without encoding, its extents positive and below 2^31, got 'tensor<64x64xf32, #flow.panels<f32>>'}}
  flow.weight @w : tensor<64x64xf32, #flow.panels<f32>>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C1)
  // expected-error @+1 {{(C1): the type must be a static f32 tensor of rank 1 or 2 without encoding, its extents positive and below 2^31, got 'memref<64xf32>'}}
  flow.weight @w : memref<64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C2)
  // expected-error @+1 {{(C2): the last dimension must be a multiple of 256 for q4_k, got 64}}
  flow.weight @w : tensor<64x64xf32> storage q4_k
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C2)
  // expected-error @+1 {{(C2): the last dimension must be a multiple of 32 for q8_0, got 48}}
  flow.weight @w : tensor<48xf32> storage q8_0
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C3)
  // expected-error @+1 {{(C3): unit_offset is for vectors, got 'tensor<64x64xf32>'}}
  flow.weight @w : tensor<64x64xf32> unit_offset
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C4)
  // expected-error @+1 {{(C4): part must be a row and a column of a matrix, the column a multiple of 32, got [0, 16] of 'tensor<64x64xf32>'}}
  flow.weight @w : tensor<64x64xf32> storage q8_0 part [0, 16]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C4)
  // expected-error @+1 {{(C4): part must be a row and a column of a matrix}}
  flow.weight @w : tensor<64x64xf32> part [-1, 0]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C4)
  // expected-error @+1 {{(C4): part must be a row and a column of a matrix}}
  flow.weight @w : tensor<64xf32> part [1, 0]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // weight (C4)
  // expected-error @+1 {{(C4): part must be a row and a column of a matrix}}
  flow.weight @w : tensor<64x64xf32> part [1]
}

// -----

// weight (C5)
// expected-error @+1 {{(C5): groups must be the rows of a group, which divide those of a part}}
flow.weight @without_part : tensor<64x64xf32> groups [16, 32]

// -----

// weight (C5)
// expected-error @+1 {{(C5): groups must be}}
flow.weight @broken : tensor<64x64xf32> part [0, 0] groups [24, 48]

// -----

// weight (C5)
// expected-error @+1 {{(C5): groups must be}}
flow.weight @in_each_other : tensor<64x64xf32> part [0, 0] groups [16, 8]

// -----

// weight (C5)
// expected-error @+1 {{(C5): groups must be}}
flow.weight @three : tensor<64x64xf32> part [0, 0] groups [16, 32, 64]
