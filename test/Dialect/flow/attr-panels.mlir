// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// The aliases of the examples, and where they are used.
#exact = #flow.panels<f32>
#half = #flow.panels<bf16>
#q8 = #flow.panels<i8, block = 32, scale = f16>
#k_quants = #flow.panels<i8, block = 16, scale = f32, min = true>
#q5_0 = #flow.panels<i8, block = 32, bits = 5, offset = 16>
#q4_k = #flow.panels<i8, block = 32, scale = f32, min = true, bits = 4, offset = 0>
#planes = #flow.panels<i8, block = 32, leading = 5>

// CHECK-LABEL: @panels
func.func private @panels() attributes {
  // CHECK-SAME: a0 = #flow.panels<f32>
  // CHECK-SAME: a1 = #flow.panels<i8, block = 32>
  // CHECK-SAME: a2 = #flow.panels<i8, block = 16, scale = f32, min = true>
  // CHECK-SAME: a3 = #flow.panels<bf16>
  // CHECK-SAME: a4 = #flow.panels<i8, block = 32, bits = 5, offset = 16>
  // CHECK-SAME: a5 = #flow.panels<i8, block = 32, scale = f32, min = true, bits = 4, offset = 0>
  // CHECK-SAME: a6 = #flow.panels<i8, block = 32, leading = 5>
  a0 = #exact,
  a1 = #q8,
  a2 = #k_quants,
  a3 = #half,
  a4 = #q5_0,
  a5 = #q4_k,
  a6 = #planes
}
