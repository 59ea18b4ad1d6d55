// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// The aliases of the examples, and where they are used.
#blocks = #flow.weight_blocks<bits = 8>
#nibbles = #flow.weight_blocks<bits = 4, scale = f32, min = true>
#short = #flow.weight_blocks<bits = 8, block = 16, scale = f32>

// CHECK-LABEL: @weight_blocks
func.func private @weight_blocks() attributes {
  // CHECK-SAME: a0 = #flow.weight_blocks<bits = 8>
  // CHECK-SAME: a1 = #flow.weight_blocks<bits = 4, scale = f32, min = true>
  // CHECK-SAME: a2 = #flow.weight_blocks<bits = 8, block = 16, scale = f32>
  a0 = #blocks,
  a1 = #nibbles,
  a2 = #short
}

// Tables and weights of products may have it, beside rows of bf16.
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @e : tensor<512x64xf32> storage q8_0
}
// CHECK-LABEL: @table_and_product
func.func @table_and_product(%t: tensor<?xi32>, %x: tensor<?x64xf32, #flow.bf16_rows>) {
  // CHECK: flow.weight_ref @m::@e : tensor<512x64xf32, #flow.weight_blocks<bits = 8>>
  %e = flow.weight_ref @m::@e : tensor<512x64xf32, #flow.weight_blocks<bits = 8>>
  // CHECK: flow.embed
  %r = flow.embed %t, %e scale 8.0 : tensor<?xi32>, tensor<512x64xf32, #flow.weight_blocks<bits = 8>> -> tensor<?x64xf32>
  // CHECK: flow.linear
  %y = flow.linear %x, %e : tensor<?x64xf32, #flow.bf16_rows>, tensor<512x64xf32, #flow.weight_blocks<bits = 8>> -> tensor<?x512xf32>
  return
}
