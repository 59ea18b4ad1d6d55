// RUN: flow-opt %s --split-input-file --verify-diagnostics

// quantize_rows (C1)
func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{(C1): the result must be the input's shape with an encoding #flow.quantized_rows}}
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

// quantize_rows (C1)
func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{(C1): the result must be the input's shape}}
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x32xf32, #flow.quantized_rows<block = 32>>
  return
}
