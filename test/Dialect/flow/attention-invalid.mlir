// RUN: flow-opt %s --split-input-file --verify-diagnostics

// attention (C1)
func.func @open_heads(%q: tensor<?x?x32xf32>, %k: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): heads and head dimension must be static and positive, got 'tensor<?x?x32xf32>'}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> scale 1.0 : tensor<?x?x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C1)
func.func @open_key_head(%q: tensor<?x2x32xf32>, %k: tensor<?x1x?xf32>, %i: index) {
  // expected-error @+1 {{(C1): heads and head dimension must be static and positive, got 'tensor<?x1x?xf32>'}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x?xf32>
  return
}

// -----

// attention (C1)
func.func @no_key_heads(%q: tensor<?x2x32xf32>, %k: tensor<?x0x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): heads and head dimension must be static and positive, got 'tensor<?x0x32xf32>'}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x0x32xf32>
  return
}

// -----

// attention (C2)
func.func @other_result(%q: tensor<4x2x32xf32>, %k: tensor<4x1x32xf32>, %v: tensor<4x1x32xf32>, %i: index) {
  // expected-error @+1 {{all of {query, result} have same type}}
  %o = "flow.attention"(%q, %i, %k, %v, %i) {mask = #flow.mask<causal>, scale = 1.0 : f64} : (tensor<4x2x32xf32>, index, tensor<4x1x32xf32>, tensor<4x1x32xf32>, index) -> tensor<5x2x32xf32>
  return
}

// -----

// attention (C3)
func.func @fewer_values(%q: tensor<4x2x32xf32>, %k: tensor<4x1x32xf32>, %v: tensor<5x1x32xf32>, %i: index) {
  // expected-error @+1 {{all of {key, value} have same type}}
  %o = "flow.attention"(%q, %i, %k, %v, %i) {mask = #flow.mask<causal>, scale = 1.0 : f64} : (tensor<4x2x32xf32>, index, tensor<4x1x32xf32>, tensor<5x1x32xf32>, index) -> tensor<4x2x32xf32>
  return
}

// -----

// attention (C4)
func.func @head_dims(%q: tensor<?x2x32xf32>, %k: tensor<?x1x64xf32>, %i: index) {
  // expected-error @+1 {{(C4): head dimensions differ: 32 in query, 64 in key}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x64xf32>
  return
}

// -----

// attention (C5)
func.func @uneven_groups(%q: tensor<?x3x32xf32>, %k: tensor<?x2x32xf32>, %i: index) {
  // expected-error @+1 {{(C5): 3 query heads cannot share 2 key heads}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> scale 1.0 : tensor<?x3x32xf32>, tensor<?x2x32xf32>
  return
}

// -----

// attention (C6)
func.func @zero_scale(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C6): scale must be finite and positive, got 0}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> scale 0.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C6)
func.func @negative_softcap(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C6): softcap must be finite and positive, got -1}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> scale 1.0 softcap -1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C7)
func.func @blocks_without_window(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C7): blocks start at the window of a mask that has none: #flow.mask<causal>}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> blocks <first = window, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}
