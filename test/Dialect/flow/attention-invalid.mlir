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
  %o = "flow.attention"(%q, %i, %k, %v, %i) {operandSegmentSizes = array<i32: 1, 1, 0, 1, 1, 1, 0>, mask = #flow.mask<causal>, scale = 1.0 : f64} : (tensor<4x2x32xf32>, index, tensor<4x1x32xf32>, tensor<4x1x32xf32>, index) -> tensor<5x2x32xf32>
  return
}

// -----

// attention (C3)
func.func @fewer_values(%q: tensor<4x2x32xf32>, %k: tensor<4x1x32xf32>, %v: tensor<5x1x32xf32>, %i: index) {
  // expected-error @+1 {{all of {key, value} have same type}}
  %o = "flow.attention"(%q, %i, %k, %v, %i) {operandSegmentSizes = array<i32: 1, 1, 0, 1, 1, 1, 0>, mask = #flow.mask<causal>, scale = 1.0 : f64} : (tensor<4x2x32xf32>, index, tensor<4x1x32xf32>, tensor<5x1x32xf32>, index) -> tensor<4x2x32xf32>
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
  // expected-error @+1 {{(C7): blocks start at the window of a mask that has none or sees before it: #flow.mask<causal>}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> blocks <first = window, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C7)
func.func @window_before_free_spans(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %i: index) {
  // expected-error @+1 {{(C7): blocks start at the window of a mask that has none or sees before it: #flow.mask<causal, window = 8, spans = free>}}
  %o = flow.attention %q at %i, %k, %k total %i spans %s : tensor<?x2xi32> mask <causal, window = 8, spans = free> blocks <first = window, last = span, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C7)
func.func @blocks_at_a_windowed_span(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %i: index) {
  // expected-error @+1 {{(C7): blocks start at a span, for a mask without a window and free spans: #flow.mask<causal, window = 8, spans = windowed>}}
  %o = flow.attention %q at %i, %k, %k total %i spans %s : tensor<?x2xi32> mask <causal, window = 8, spans = windowed> blocks <first = span, last = span, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C8)
func.func @blocks_end_before_full(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %i: index) {
  // expected-error @+1 {{(C8): blocks end at the row of a mask that sees behind it: #flow.mask<full>}}
  %o = flow.attention %q at %i, %k, %k total %i mask <full> blocks <first = zero, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C8)
func.func @blocks_end_before_spans(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %i: index) {
  // expected-error @+1 {{(C8): blocks end at the row of a mask that sees behind it: #flow.mask<causal, spans = free>}}
  %o = flow.attention %q at %i, %k, %k total %i spans %s : tensor<?x2xi32> mask <causal, spans = free> blocks <first = zero, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C8)
func.func @blocks_end_at_no_span(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %i: index) {
  // expected-error @+1 {{(C8): blocks end at a span of a mask that has none: #flow.mask<full>}}
  %o = flow.attention %q at %i, %k, %k total %i mask <full> blocks <first = zero, last = span, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C9)
func.func @missing_spans(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %i: index) {
  // expected-error @+1 {{(C9): spans are missing, which the mask needs: #flow.mask<causal, spans = free>}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal, spans = free> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C9)
func.func @idle_spans(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %i: index) {
  // expected-error @+1 {{(C9): spans are given to a mask that has none: #flow.mask<causal>}}
  %o = flow.attention %q at %i, %k, %k total %i spans %s : tensor<?x2xi32> mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C10)
func.func @wide_spans(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x3xi32>, %i: index) {
  // expected-error @+1 {{(C10): spans must be [N, 2], got 'tensor<?x3xi32>'}}
  %o = flow.attention %q at %i, %k, %k total %i spans %s : tensor<?x3xi32> mask <causal, spans = free> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// T9: neither a mask nor a bias can be a tensor.
func.func @mask_tensor(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %m: tensor<?x?xi1>, %i: index) {
  // expected-error @+1 {{a mask is a predicate on positions, as <causal> or <full>: a mask or bias tensor has no form}}
  %o = flow.attention %q at %i, %k, %k total %i mask %m scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C1)
func.func @slots_of_one_sequence(%q: tensor<?x2x32xf32>, %k: tensor<?x?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): keys must be [S, K, D], got 'tensor<?x?x1x32xf32>'}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  return
}

// -----

// attention (C1)
func.func @sequences_without_slots(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x4xi32>) {
  // expected-error @+1 {{(C1): keys must be [slots, S, K, D], got 'tensor<?x1x32xf32>'}}
  %o = flow.attention %q sequences %s, %k, %k mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C1)
func.func @open_heads_in_slots(%q: tensor<?x2x32xf32>, %k: tensor<?x?x?x32xf32>, %s: tensor<?x4xi32>) {
  // expected-error @+1 {{(C1): heads and head dimension must be static and positive, got 'tensor<?x?x32xf32>'}}
  %o = flow.attention %q sequences %s, %k, %k mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x?x?x32xf32>
  return
}

// -----

// attention (C11)
func.func @no_total(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C11): there must be either start and total or sequences}}
  %o = flow.attention %q at %i, %k, %k mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// attention (C11)
func.func @sequences_and_total(%q: tensor<?x2x32xf32>, %k: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>, %i: index) {
  // expected-error @+1 {{(C11): there must be either start and total or sequences}}
  %o = flow.attention %q sequences %s, %k, %k total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  return
}

// -----

func.func @nowhere(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>) {
  // expected-error @+1 {{expected 'sequences'}}
  %o = flow.attention %q, %k, %k mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

func.func @other_table(%q: tensor<?x2x32xf32>, %k: tensor<?x?x1x32xf32>, %s: tensor<?x3xi32>) { // expected-note {{prior use here}}
  // expected-error @+1 {{expects different type than prior uses: 'tensor<?x4xi32>' vs 'tensor<?x3xi32>'}}
  %o = flow.attention %q sequences %s, %k, %k mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  return
}

// -----

// attention (C11)
func.func @sequences_and_spans(%q: tensor<?x2x32xf32>, %k: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>, %p: tensor<?x2xi32>) {
  // expected-error @+1 {{(C11): a batch of sequences has no spans}}
  %o = flow.attention %q sequences %s, %k, %k spans %p : tensor<?x2xi32> mask <causal, spans = free> scale 1.0 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  return
}

// -----

// attention (C12)
func.func @single_rows_of_one_sequence(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C12): single_rows needs sequences}}
  %o = flow.attention %q at %i single_rows, %k, %k total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}
