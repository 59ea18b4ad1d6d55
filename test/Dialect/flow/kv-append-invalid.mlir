// RUN: flow-opt %s --split-input-file --verify-diagnostics

// kv_append (C1)
func.func @f(%k: tensor<?x2x32xf32>, %kc: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{(C1): rows [T, K, D] and caches [C, K, D] must agree in static K and D}}
  %a, %b = flow.kv_append %k, %k into %kc, %kc at %i count %i : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// kv_append (C2)
func.func @f(%k: tensor<?x1x32xf32>, %v: tensor<4x1x32xf32>, %kc: tensor<?x1x32xf32>, %i: index) {
  // expected-error @+1 {{all of {key, value} have same type}}
  %a, %b = "flow.kv_append"(%k, %v, %kc, %kc, %i, %i) : (tensor<?x1x32xf32>, tensor<4x1x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index, index) -> (tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  return
}

// -----

// kv_append (C3)
func.func @f(%k: tensor<?x1x32xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<64x1x32xf32>, %i: index) {
  // expected-error @+1 {{have same type}}
  %a, %b = "flow.kv_append"(%k, %k, %kc, %vc, %i, %i) : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, tensor<64x1x32xf32>, index, index) -> (tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  return
}
