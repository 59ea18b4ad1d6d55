// RUN: flow-opt %s --split-input-file --convert-flow-to-gpu --verify-diagnostics

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @router : tensor<64x64xf32>
  flow.weight @scale : tensor<64xf32>
}
func.func @many_choices(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %r = flow.weight_ref @tiny::@router : tensor<64x64xf32, #flow.panels<bf16>>
  %s = flow.weight_ref @tiny::@scale : tensor<64xf32>
  // expected-error @+1 {{chooses 33 of 64 experts, expected at most 32 of 1024}}
  %experts, %shares = flow.router %n, %r scale %s factor 1.0 : tensor<?x64xf32, #flow.bf16_rows>, tensor<64x64xf32, #flow.panels<bf16>>, tensor<64xf32> -> tensor<?x33xi32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @router : tensor<1056x64xf32>
  flow.weight @scale : tensor<1056xf32>
}
func.func @many_experts(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %r = flow.weight_ref @tiny::@router : tensor<1056x64xf32, #flow.panels<bf16>>
  %s = flow.weight_ref @tiny::@scale : tensor<1056xf32>
  // expected-error @+1 {{chooses 4 of 1056 experts, expected at most 32 of 1024}}
  %experts, %shares = flow.router %n, %r scale %s factor 1.0 : tensor<?x64xf32, #flow.bf16_rows>, tensor<1056x64xf32, #flow.panels<bf16>>, tensor<1056xf32> -> tensor<?x4xi32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @router : tensor<32x64xf32>
  flow.weight @scale : tensor<32xf32>
  flow.weight @gate_up : tensor<1024x64xf32>
  flow.weight @down : tensor<1920x16xf32>
}
func.func @columns_of_no_tile(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %r = flow.weight_ref @tiny::@router : tensor<32x64xf32, #flow.panels<bf16>>
  %s = flow.weight_ref @tiny::@scale : tensor<32xf32>
  %experts, %shares = flow.router %n, %r scale %s factor 1.0 : tensor<?x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>>, tensor<32xf32> -> tensor<?x4xi32>
  %gu = flow.weight_ref @tiny::@gate_up : tensor<1024x64xf32, #flow.panels<bf16>>
  %d = flow.weight_ref @tiny::@down : tensor<1920x16xf32, #flow.panels<bf16>>
  // expected-error @+1 {{has experts from 64 to 60 columns, expected multiples of 8}}
  %y = flow.grouped_mlp %n to %experts by %shares, %gu, %d hidden(#flow.bf16_rows) : tensor<?x64xf32, #flow.bf16_rows>, tensor<?x4xi32>, tensor<1024x64xf32, #flow.panels<bf16>>, tensor<1920x16xf32, #flow.panels<bf16>> -> tensor<?x60xf32>
  return
}

// -----

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @router : tensor<32x64xf32>
  flow.weight @scale : tensor<32xf32>
}
func.func @choice_by_f32(%tokens: tensor<?xi32>, %start: index, %rows: index) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %r = flow.weight_ref @tiny::@router : tensor<32x64xf32, #flow.panels<f32>>
  %s = flow.weight_ref @tiny::@scale : tensor<32xf32>
  // expected-error @+1 {{has a product that no kernel computes: a weight must be in bf16 panels}}
  %experts, %shares = flow.router %x, %r scale %s factor 1.0 : tensor<?x64xf32>, tensor<32x64xf32, #flow.panels<f32>>, tensor<32xf32> -> tensor<?x4xi32>
  return
}
