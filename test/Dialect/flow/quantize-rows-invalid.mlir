// RUN: flow-opt %s --split-input-file --verify-diagnostics

// quantize_rows (C1)
func.func @plain_result(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{(C1): the result must be the input's shape with an encoding #flow.quantized_rows or #flow.bf16_rows, got 'tensor<?x64xf32>' -> 'tensor<?x64xf32>'}}
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

// quantize_rows (C1)
func.func @shorter_result(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{(C1): the result must be the input's shape}}
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x32xf32, #flow.quantized_rows<block = 32>>
  return
}

// -----

// quantize_rows (C1)
func.func @result_in_panels(%x: tensor<32x64xf32>) {
  // expected-error @+1 {{(C1): the result must be the input's shape}}
  %q = flow.quantize_rows %x : tensor<32x64xf32> -> tensor<32x64xf32, #flow.panels<f32>>
  return
}

// -----

// quantize_rows (C1)
func.func @twice(%x: tensor<?x64xf32, #flow.quantized_rows<block = 32>>) {
  // expected-error @+1 {{operand #0 must be 2D tensor of 32-bit float values without encoding}}
  %q = flow.quantize_rows %x : tensor<?x64xf32, #flow.quantized_rows<block = 32>> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  return
}

// -----

// quantize_rows (C1)
func.func @shorter_elements(%x: tensor<?x64xbf16>) {
  // expected-error @+1 {{operand #0 must be 2D tensor of 32-bit float values}}
  %q = flow.quantize_rows %x : tensor<?x64xbf16> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  return
}
