// RUN: flow-opt %s --convert-flow-to-linalg --split-input-file --verify-diagnostics

func.func @no_layout(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>) -> tensor<?x128xf32> {
  // expected-error @+1 {{has a weight without layout: flow-choose-layouts must run first}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// -----

func.func @no_cache(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %start: index) -> tensor<?x2x32xf32> {
  // expected-error @+1 {{reads keys that are in no cache}}
  %o = flow.attention %q at %start, %k, %k total %start mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// -----

func.func @returns_panels(%w: tensor<32x64xf32, #flow.panels<f32>>) -> tensor<32x64xf32, #flow.panels<f32>> {
  // expected-error @+1 {{returns a value that no buffer can hold}}
  return %w : tensor<32x64xf32, #flow.panels<f32>>
}

// -----

func.func @foreign_use_of_a_layout(%w: tensor<32x64xf32, #flow.panels<f32>>) {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{uses a value in a layout of its own}}
  %n = tensor.dim %w, %c0 : tensor<32x64xf32, #flow.panels<f32>>
  return
}

// -----

// Panels of values are whole.
func.func @short_heads(%k: tensor<?x1x16xf32>, %v: tensor<?x1x16xf32>, %kc: tensor<?x1x16xf32>, %vc: tensor<?x1x16xf32>, %start: index, %count: index) -> (tensor<?x1x16xf32>, tensor<?x1x16xf32>) {
  // expected-error @+1 {{has heads of 16, not a multiple of 32}}
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<?x1x16xf32>, tensor<?x1x16xf32>
  return %k1, %v1 : tensor<?x1x16xf32>, tensor<?x1x16xf32>
}
