// RUN: flow-opt %s --convert-flow-to-linalg --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @rms_norm
func.func @rms_norm(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32> {
  // CHECK: scf.forall
  // The lanes are added half to half, in one order on every target.
  // CHECK: %[[UPPER:.*]] = vector.extract_strided_slice {{.*}} {offsets = [32], sizes = [32]
  // CHECK: arith.addf %{{.*}}, %[[UPPER]] : vector<32xf32>
  // CHECK: arith.addf {{.*}} : vector<1xf32>
  // CHECK: math.sqrt
  %y = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @head_norm
func.func @head_norm(%x: tensor<?x2x32xf32>) -> tensor<?x2x32xf32> {
  // CHECK: tensor.collapse_shape {{.*}} : tensor<?x2x32xf32> into tensor<?x64xf32>
  // CHECK: %[[ROWS:.*]] = scf.forall
  // CHECK: tensor.expand_shape %[[ROWS]] {{.*}} : tensor<?x64xf32> into tensor<?x2x32xf32>
  // The rows themselves are the result: through the split no buffer is found.
  // CHECK: %[[OUT:.*]] = memref.collapse_shape {{.*}} : memref<?x2x32xf32> into memref<?x64xf32>
  // CHECK: bufferization.materialize_in_destination %[[ROWS]] in restrict writable %[[OUT]]
  %y = flow.rms_norm %x : tensor<?x2x32xf32>
  return %y : tensor<?x2x32xf32>
}

// -----

// CHECK-LABEL: func.func @rope
func.func @rope(%x: tensor<?x2x32xf32>, %a: tensor<?x16x2xf32>) -> tensor<?x2x32xf32> {
  // CHECK: tensor.collapse_shape {{.*}} : tensor<?x16x2xf32> into tensor<?x32xf32>
  // CHECK: vector.deinterleave
  %y = flow.rope %x, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  return %y : tensor<?x2x32xf32>
}

// -----

// CHECK-LABEL: func.func @geglu
func.func @geglu(%g: tensor<?x64xf32>, %u: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: arith.constant 4.471500e-02
  // CHECK: math.tanh
  %y = flow.geglu %g, %u : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @add_rms_norm
func.func @add_rms_norm(%x: tensor<?x64xf32>, %b: tensor<?x64xf32>, %w: tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK: scf.forall {{.*}} -> (tensor<?x64xf32>, tensor<?x64xf32>)
  // CHECK-COUNT-2: math.sqrt
  %s, %n = flow.add_rms_norm %x, %b branch_scale %w scale %w : tensor<?x64xf32>, tensor<64xf32>
  return %s, %n : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @quantize_rows
// CHECK: scf.forall {{.*}} -> (tensor<?x64xi8>, tensor<?x4xf32>, tensor<?x4xi32>)
// CHECK: math.roundeven
func.func @quantize_rows(%x: tensor<?x64xf32>, %w: tensor<32x64xf32, #flow.panels<i8, block = 16>>) -> tensor<?x32xf32> {
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  %y = flow.linear %q, %w : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<32x64xf32, #flow.panels<i8, block = 16>> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

// CHECK-LABEL: func.func @capped_head
// CHECK: linalg.generic
// CHECK: math.tanh
func.func @capped_head(%x: tensor<1x64xf32>, %w: tensor<512x64xf32, #flow.panels<f32>>) -> tensor<1x512xf32> {
  %y = flow.lm_head %x, %w softcap 3.0e+01 : tensor<1x64xf32>, tensor<512x64xf32, #flow.panels<f32>> -> tensor<1x512xf32>
  return %y : tensor<1x512xf32>
}
