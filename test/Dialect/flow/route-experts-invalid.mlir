// RUN: flow-opt %s --split-input-file --verify-diagnostics

// route_experts (C1)
func.func @too_many(%z: tensor<?x4xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{(C1): experts and shares must be [T, k] for the T of the rows and 0 < k <= 4, got}}
  %e, %p = flow.route_experts %z scale %s factor 1.0 : tensor<?x4xf32>, tensor<4xf32> -> tensor<?x5xi32>
  return
}

// -----

// route_experts (C1)
func.func @none(%z: tensor<?x4xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{(C1): experts and shares must be [T, k] for the T of the rows and 0 < k <= 4, got}}
  %e, %p = flow.route_experts %z scale %s factor 1.0 : tensor<?x4xf32>, tensor<4xf32> -> tensor<?x0xi32>
  return
}

// -----

// route_experts (C1)
func.func @open_choice(%z: tensor<?x4xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{(C1): experts and shares must be [T, k] for the T of the rows and 0 < k <= 4, got}}
  %e, %p = flow.route_experts %z scale %s factor 1.0 : tensor<?x4xf32>, tensor<4xf32> -> tensor<?x?xi32>
  return
}

// -----

// route_experts (C1)
func.func @other_rows(%z: tensor<3x4xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{(C1): experts and shares must be [T, k] for the T of the rows and 0 < k <= 4, got}}
  %e, %p = flow.route_experts %z scale %s factor 1.0 : tensor<3x4xf32>, tensor<4xf32> -> tensor<2x2xi32>
  return
}

// -----

// route_experts (C1)
func.func @scale_of_others(%z: tensor<?x4xf32>, %s: tensor<5xf32>) {
  // expected-error @+1 {{(C1): there must be a scale for each expert, got}}
  %e, %p = flow.route_experts %z scale %s factor 1.0 : tensor<?x4xf32>, tensor<5xf32> -> tensor<?x2xi32>
  return
}

// -----

// route_experts (C1)
func.func @open_experts(%z: tensor<?x?xf32>, %s: tensor<?xf32>) {
  // expected-error @+1 {{(C1): there must be a scale for each expert, got}}
  %e, %p = flow.route_experts %z scale %s factor 1.0 : tensor<?x?xf32>, tensor<?xf32> -> tensor<?x2xi32>
  return
}

// -----

// route_experts (C1)
func.func @shares_in_another_type(%z: tensor<?x4xbf16>, %s: tensor<4xf32>) {
  // expected-error @+1 {{(C1): shares must have the element type of the logits}}
  %e, %p = "flow.route_experts"(%z, %s) <{factor = 1.0 : f64}> : (tensor<?x4xbf16>, tensor<4xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// route_experts (C2)
func.func @no_factor(%z: tensor<?x4xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{(C2): factor must be finite and positive}}
  %e, %p = flow.route_experts %z scale %s factor 0.0 : tensor<?x4xf32>, tensor<4xf32> -> tensor<?x2xi32>
  return
}
