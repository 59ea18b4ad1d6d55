// RUN: flow-opt %s --split-input-file --verify-diagnostics

// T2

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // model (C1)
  // expected-error @+1 {{(C1) of flow.model: @embedding must have shape [512, 64], got 'tensor<256x64xf32>'}}
  flow.weight @embedding : tensor<256x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // model (C1)
  // expected-error @+1 {{(C1) of flow.model: @final_norm must have shape [64], got 'tensor<65xf32>'}}
  flow.weight @final_norm : tensor<65xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // model (C1)
  // expected-error @+1 {{(C1) of flow.model: @head must have shape [512, 64], got 'tensor<64x64xf32>'}}
  flow.weight @head : tensor<64x64xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @a : tensor<256x64xf32>
  // model (C1)
  // expected-error @+1 {{'flow.derived_weight' op (C1) of flow.model: @embedding must be a flow.weight}}
  flow.derived_weight @embedding : tensor<512x64xf32> = concat [@a, @a]
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // model (C2)
  // expected-error @+1 {{'func.func' op (C2) of flow.model: a model holds weights, tables, caches and layers only}}
  func.func private @f()
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // model (C2)
  // expected-error @+1 {{'flow.model' op (C2) of flow.model: a model holds weights, tables, caches and layers only}}
  flow.model @n <hidden = 64, vocab = 512, positions = 256> {
  }
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // expected-note @+1 {{see existing symbol definition here}}
  flow.weight @w : tensor<64xf32>
  // Names are the symbols of one table.
  // expected-error @+1 {{redefinition of symbol named 'w'}}
  flow.kv_cache @w kv_heads 1 head_dim 32
}
