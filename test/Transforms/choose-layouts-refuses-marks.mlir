// RUN: flow-opt %s --flow-choose-layouts --split-input-file --verify-diagnostics

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x64xf32> storage bf16
}
func.func @floats_as_integers(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  %w = flow.weight_ref @m::@w : tensor<32x64xf32>
  // expected-error @below {{'flow.linear' op is marked "i8", but its weight @w is stored as bf16}}
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @a : tensor<16x64xf32> storage q8_0
  flow.weight @b : tensor<16x64xf32>
  flow.derived_weight @w : tensor<32x64xf32> = concat [@a, @b]
}
func.func @one_source_of_floats(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  %w = flow.weight_ref @m::@w : tensor<32x64xf32>
  // expected-error @below {{'flow.linear' op is marked "i8", but its weight @b is stored as f32}}
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x64xf32> storage q8_0
}
func.func @unknown_mark(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  %w = flow.weight_ref @m::@w : tensor<32x64xf32>
  // expected-error @below {{'flow.linear' op is marked with the arithmetic "f16", expected "f32", "bf16" or "i8"}}
  %y = flow.linear %x, %w {flow.arithmetic = "f16"} : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

flow.model @m <hidden = 65, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x65xf32>
}
func.func @no_pairs(%x: tensor<?x65xf32>) -> tensor<?x32xf32> {
  %w = flow.weight_ref @m::@w : tensor<32x65xf32>
  // expected-error @below {{'flow.linear' op is marked "bf16", but its weight @m::@w has rows of 65, which are no pairs}}
  %y = flow.linear %x, %w {flow.arithmetic = "bf16"} : tensor<?x65xf32>, tensor<32x65xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
