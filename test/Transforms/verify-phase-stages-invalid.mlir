// RUN: flow-opt %s --flow-verify-phase=phase=stages --split-input-file --verify-diagnostics

func.func @packed(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>) {
  // expected-error @+1 {{has a layout before layouts are chosen}}
  %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  return
}

// -----

// expected-error @+1 {{has a layout before layouts are chosen}}
func.func @packed_argument(%w: tensor<64x64xf32, #flow.panels<f32>>) {
  return
}

// -----

// expected-error @+1 {{serves a class of layers before layers are shared: "layer0"}}
func.func @class() attributes {flow.class = "layer0"} {
  return
}

// -----

// Another dialect's encoding is its own matter.
func.func @other_encoding(%w: tensor<64xf32, "dense">) {
  return
}
