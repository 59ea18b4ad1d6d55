// RUN: flow-opt %s --flow-choose-layouts=rows-block=32 --split-input-file | FileCheck %s

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @a : tensor<32x256xf32> storage q8_0
  flow.weight @b : tensor<32x256xf32> storage q6_k
}
// Rows are quantised once for each size of block, a weight is packed once.
// CHECK-LABEL: @shared
// CHECK-SAME: (%[[X:.*]]: tensor<?x256xf32>)
func.func @shared(%x: tensor<?x256xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>) {
  // CHECK: %[[A:.*]] = flow.weight_ref @m::@a
  // CHECK: %[[R:.*]] = flow.quantize_rows %[[X]] {{.*}}<block = 32>
  // CHECK: flow.linear %[[R]], %[[A]]
  // CHECK: %[[B:.*]] = flow.weight_ref @m::@b
  // CHECK: %[[S:.*]] = flow.quantize_rows %[[X]] {{.*}}<block = 16>
  // CHECK: flow.linear %[[S]], %[[B]]
  // CHECK-NEXT: flow.linear %[[R]], %[[A]]
  // CHECK-NEXT: return
  %a = flow.weight_ref @m::@a : tensor<32x256xf32>
  %b = flow.weight_ref @m::@b : tensor<32x256xf32>
  %again = flow.weight_ref @m::@a : tensor<32x256xf32>
  %y = flow.linear %x, %a {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
  %z = flow.linear %x, %b {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
  %u = flow.linear %x, %again {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
  return %y, %z, %u : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>
}

// -----

flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @a : tensor<32x256xf32> storage q8_0
  flow.weight @b : tensor<32x256xf32> storage q6_k
}
// What is made in a region cannot serve behind it.
// CHECK-LABEL: @not_out_of_a_region
func.func @not_out_of_a_region(%x: tensor<?x256xf32>, %c: i1) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  // CHECK: scf.if
  // CHECK: flow.quantize_rows
  // CHECK: else
  // CHECK: flow.quantize_rows
  // CHECK: flow.weight_ref @m::@a : tensor<32x256xf32, #flow.panels<i8, block = 32>>
  // CHECK-NEXT: flow.quantize_rows
  %a = flow.weight_ref @m::@a : tensor<32x256xf32>
  %r = scf.if %c -> tensor<?x32xf32> {
    %y = flow.linear %x, %a {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
    scf.yield %y : tensor<?x32xf32>
  } else {
    %y = flow.linear %x, %a {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
    scf.yield %y : tensor<?x32xf32>
  }
  %z = flow.linear %x, %a {flow.arithmetic = "i8"} : tensor<?x256xf32>, tensor<32x256xf32> -> tensor<?x32xf32>
  return %r, %z : tensor<?x32xf32>, tensor<?x32xf32>
}
