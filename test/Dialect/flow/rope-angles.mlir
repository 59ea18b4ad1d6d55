// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.rope_table @local theta 1.0e+04 head_dim 32
}

// CHECK-LABEL: @rope_angles
// CHECK-SAME: (%[[START:.*]]: index, %[[ROWS:.*]]: index)
func.func @rope_angles(%start: index, %rows: index) {
  // CHECK: flow.rope_angles @tiny::@local at %[[START]] rows %[[ROWS]] : tensor<?x16x2xf32>
  %a = flow.rope_angles @tiny::@local at %start rows %rows : tensor<?x16x2xf32>
  // CHECK: flow.rope_angles @tiny::@local at %[[START]] rows %[[ROWS]] : tensor<1x16x2xf32>
  %b = flow.rope_angles @tiny::@local at %start rows %rows : tensor<1x16x2xf32>
  return
}

// CHECK-LABEL: @sequences
// CHECK-SAME: (%[[S:.*]]: tensor<?x4xi32>, %[[ROWS:.*]]: index)
func.func @sequences(%s: tensor<?x4xi32>, %rows: index) {
  // CHECK: flow.rope_angles @tiny::@local sequences %[[S]] rows %[[ROWS]] : tensor<?x16x2xf32>
  %b = flow.rope_angles @tiny::@local sequences %s rows %rows : tensor<?x16x2xf32>
  return
}
