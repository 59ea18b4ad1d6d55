// RUN: flow-opt %s --split-input-file --verify-diagnostics

// kv_append (C1)
func.func @heads(%k: tensor<?x2x32xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): rows [T, K, D] and caches [C, K, D] must agree in static K and D, got 'tensor<?x2x32xf32>' and 'tensor<?x1x32xf32>'}}
  %a, %b = flow.kv_append %k, %k into %c, %c at %i count %i : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// kv_append (C1)
func.func @head_dims(%k: tensor<?x1x16xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): rows [T, K, D] and caches [C, K, D] must agree in static K and D, got 'tensor<?x1x16xf32>' and 'tensor<?x1x32xf32>'}}
  %a, %b = flow.kv_append %k, %k into %c, %c at %i count %i : tensor<?x1x16xf32>, tensor<?x1x32xf32>
  return
}

// -----

// kv_append (C1)
func.func @open_heads(%k: tensor<?x?x32xf32>, %c: tensor<?x?x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): rows [T, K, D] and caches [C, K, D] must agree in static K and D, got 'tensor<?x?x32xf32>' and 'tensor<?x?x32xf32>'}}
  %a, %b = flow.kv_append %k, %k into %c, %c at %i count %i : tensor<?x?x32xf32>, tensor<?x?x32xf32>
  return
}

// -----

// kv_append (C1)
func.func @open_head_dims(%k: tensor<?x1x?xf32>, %c: tensor<?x1x?xf32>, %i: index) {
  // expected-error @+1 {{(C1): rows [T, K, D] and caches [C, K, D] must agree in static K and D, got 'tensor<?x1x?xf32>' and 'tensor<?x1x?xf32>'}}
  %a, %b = flow.kv_append %k, %k into %c, %c at %i count %i : tensor<?x1x?xf32>, tensor<?x1x?xf32>
  return
}

// -----

// kv_append (C2)
func.func @rows_differ(%k: tensor<?x1x32xf32>, %v: tensor<4x1x32xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{all of {key, value} have same type}}
  %a, %b = "flow.kv_append"(%k, %v, %kc, %vc, %i, %i) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 0>} : (tensor<?x1x32xf32>, tensor<4x1x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index, index) -> (tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  return
}

// -----

// kv_append (C3)
func.func @caches_differ(%k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<64x1x32xf32>, %i: index) {
  // expected-error @+1 {{all of {key_cache, value_cache, new_key_cache, new_value_cache} have same type}}
  %a, %b = "flow.kv_append"(%k, %v, %kc, %vc, %i, %i) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 0>} : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, tensor<64x1x32xf32>, index, index) -> (tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  return
}

// -----

// kv_append (C3)
func.func @result_differs(%k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{all of {key_cache, value_cache, new_key_cache, new_value_cache} have same type}}
  %a, %b = "flow.kv_append"(%k, %v, %kc, %vc, %i, %i) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 0>} : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index, index) -> (tensor<?x1x32xf32>, tensor<64x1x32xf32>)
  return
}

// -----

// kv_append (C1)
func.func @slots_of_one_sequence(%k: tensor<?x1x32xf32>, %c: tensor<?x?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): rows [T, K, D] and caches [C, K, D] must agree in static K and D, got 'tensor<?x1x32xf32>' and 'tensor<?x?x1x32xf32>'}}
  %a, %b = flow.kv_append %k, %k into %c, %c at %i count %i : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
  return
}

// -----

// kv_append (C1)
func.func @sequences_without_slots(%k: tensor<?x1x32xf32>, %c: tensor<?x1x32xf32>, %s: tensor<?x4xi32>) {
  // expected-error @+1 {{(C1): rows [T, K, D] and caches [slots, C, K, D] must agree in static K and D, got 'tensor<?x1x32xf32>' and 'tensor<?x1x32xf32>'}}
  %a, %b = flow.kv_append %k, %k into %c, %c sequences %s : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

func.func @nowhere(%k: tensor<?x1x32xf32>, %c: tensor<?x1x32xf32>) {
  // expected-error @+1 {{expected 'sequences'}}
  %a, %b = flow.kv_append %k, %k into %c, %c : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// kv_append (C4)
func.func @sequences_and_count(%k: tensor<?x1x32xf32>, %c: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>, %i: index) {
  // expected-error @+1 {{(C4): there must be either start and count or sequences}}
  %a, %b = "flow.kv_append"(%k, %k, %c, %c, %i, %s) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 1, 1>} : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>, index, tensor<?x4xi32>) -> (tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>)
  return
}

// -----

// kv_append (C5)
func.func @single_rows_of_one_sequence(%k: tensor<?x1x32xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C5): single_rows needs sequences}}
  %a, %b = flow.kv_append %k, %k into %c, %c at %i count %i single_rows : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  return
}
