// RUN: flow-opt %s --flow-choose-layouts --remarks-filter=flow-choose-layouts \
// RUN:   --split-input-file --verify-diagnostics

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x64xf32> storage q4_1
}
func.func @says_so(%x: tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  %w = flow.weight_ref @m::@w : tensor<32x64xf32>
  // expected-remark @below {{[Passed] layout | Category:flow-choose-layouts | Remark="@w is packed as #flow.panels<i8, block = 32, min = true, bits = 4, offset = 0>"}}
  %y = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  // expected-remark @below {{[Passed] layout | Category:flow-choose-layouts | Remark="@w is packed as #flow.panels<f32>"}}
  %z = flow.linear %x, %w {flow.arithmetic = "f32"} : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y, %z : tensor<?x32xf32>, tensor<?x32xf32>
}
