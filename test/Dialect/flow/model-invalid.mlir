// RUN: flow-opt %s --split-input-file --verify-diagnostics

// model (C1)
flow.model @short_embedding <hidden = 64, vocab = 512, positions = 256> {
  // expected-error @+1 {{(C1) of flow.model: @embedding must have shape [512, 64], got 'tensor<256x64xf32>'}}
  flow.weight @embedding : tensor<256x64xf32>
}

// -----

// model (C1)
flow.model @long_norm <hidden = 64, vocab = 512, positions = 256> {
  // expected-error @+1 {{(C1) of flow.model: @final_norm must have shape [64]}}
  flow.weight @final_norm : tensor<65xf32>
}

// -----

// model (C1)
flow.model @square_head <hidden = 64, vocab = 512, positions = 256> {
  // expected-error @+1 {{(C1) of flow.model: @head must have shape [512, 64]}}
  flow.weight @head : tensor<64x64xf32>
}
