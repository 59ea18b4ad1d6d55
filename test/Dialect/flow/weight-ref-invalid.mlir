// RUN: flow-opt %s --split-input-file --verify-diagnostics

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @final_norm : tensor<64xf32>
}
func.func @unknown() {
  // weight_ref (C1)
  // expected-error @+1 {{(C1): @tiny::@nothing is not a weight of this module}}
  %w = flow.weight_ref @tiny::@nothing : tensor<64xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @a_cache() {
  // weight_ref (C1)
  // expected-error @+1 {{(C1): @tiny::@kv0 is not a weight of this module}}
  %w = flow.weight_ref @tiny::@kv0 : tensor<64xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @final_norm : tensor<64xf32>
}
func.func @longer() {
  // weight_ref (C2)
  // expected-error @+1 {{(C2): @tiny::@final_norm is 'tensor<64xf32>', not 'tensor<65xf32>'}}
  %w = flow.weight_ref @tiny::@final_norm : tensor<65xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @final_norm : tensor<64xf32>
}
func.func @shorter_elements() {
  // weight_ref (C2)
  // expected-error @+1 {{result #0 must be ranked tensor of 32-bit float values}}
  %w = flow.weight_ref @tiny::@final_norm : tensor<64xf16>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
}
func.func @encoding_of_rows() {
  // weight_ref (C3)
  // expected-error @+1 {{or ranked tensor of bfloat16 type values without encoding, but got 'tensor<64x64xf32, #flow.quantized_rows<block = 32>>'}}
  %w = flow.weight_ref @tiny::@q : tensor<64x64xf32, #flow.quantized_rows<block = 32>>
  return
}
