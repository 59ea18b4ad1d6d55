// RUN: flow-opt %s --split-input-file --verify-diagnostics

// gated_mlp (C1)
func.func @half_gate_up(%x: tensor<?x64xf32>, %gu: tensor<128x64xf32>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F a positive multiple of 16}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<128x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C1)
func.func @depths(%x: tensor<?x64xf32>, %gu: tensor<256x32xf32>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F a positive multiple of 16}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x32xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C1)
func.func @columns(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F a positive multiple of 16}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<?x32xf32>
  return
}

// -----

// gated_mlp (C1)
func.func @rows(%x: tensor<4x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F a positive multiple of 16}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<4x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<5x64xf32>
  return
}

// -----

// gated_mlp (C1)
func.func @broken_interleave(%x: tensor<?x64xf32>, %gu: tensor<240x64xf32>, %d: tensor<64x120xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F a positive multiple of 16}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<240x64xf32>, tensor<64x120xf32> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C1)
func.func @no_width(%x: tensor<?x64xf32>, %gu: tensor<0x64xf32>, %d: tensor<64x0xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F a positive multiple of 16}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<0x64xf32>, tensor<64x0xf32> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C1)
func.func @open_down(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<64x?xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F a positive multiple of 16}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x?xf32> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C1)
func.func @open_result(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<?x128xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F a positive multiple of 16}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x64xf32>, tensor<?x128xf32> -> tensor<?x?xf32>
  return
}

// -----

// gated_mlp (C1)
func.func @open_depths(%x: tensor<?x?xf32>, %gu: tensor<256x?xf32>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F a positive multiple of 16}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x?xf32>, tensor<256x?xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C2)
func.func @plain_input(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32, #flow.panels<i8, block = 32>>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows without encoding}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x64xf32, #flow.panels<i8, block = 32>>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C2)
func.func @plain_hidden(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<64x128xf32, #flow.panels<i8, block = 32>>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows without encoding}}
  %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32, #flow.panels<i8, block = 32>> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C2)
func.func @plain_down(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{(C2): rows without encoding meet f32 panels, bf16 rows bf16 panels or weight blocks, quantised rows i8 panels of the same block or twice it, got rows #flow.quantized_rows<block = 32>}}
  %y = flow.gated_mlp %x, %gu, %d hidden(#flow.quantized_rows<block = 32>) : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}

// -----

// gated_mlp (C2)
func.func @hidden_is_no_layout_of_rows(%x: tensor<?x64xf32>, %gu: tensor<256x64xf32>, %d: tensor<64x128xf32>) {
  // expected-error @+1 {{attribute 'hidden' failed to satisfy constraint}}
  %y = flow.gated_mlp %x, %gu, %d hidden(#flow.panels<f32>) : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return
}
