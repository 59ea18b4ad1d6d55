// RUN: flow-opt %s --emit-bytecode -o %t.mlirbc
// RUN: flow-opt %t.mlirbc | FileCheck %s

// CHECK-LABEL: flow.model @m <hidden = 64, vocab = 512, positions = 256> {
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // CHECK: flow.weight @q : tensor<64x64xf32> storage q5_0 from "blk.0.attn_q.weight"
  flow.weight @q : tensor<64x64xf32> storage q5_0 from "blk.0.attn_q.weight"
  // CHECK: flow.rope_table @local theta 1.000000e+04 head_dim 32
  flow.rope_table @local theta 1.0e+04 head_dim 32
}
// CHECK-LABEL: @f
func.func @f(%q: tensor<?x64xf32, #flow.quantized_rows<block = 32>>) {
  // CHECK: flow.weight_ref @m::@q : tensor<64x64xf32, #flow.panels<i8, block = 32>>
  %w = flow.weight_ref @m::@q : tensor<64x64xf32, #flow.panels<i8, block = 32>>
  // CHECK: flow.linear
  %y = flow.linear %q, %w : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<64x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x64xf32>
  return
}
