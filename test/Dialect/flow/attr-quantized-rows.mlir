// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// The aliases of the examples, and where they are used.
#rows = #flow.quantized_rows<block = 32>

// CHECK-LABEL: @quantized_rows
func.func private @quantized_rows() attributes {
  // CHECK-SAME: a0 = #flow.quantized_rows<block = 32>
  a0 = #rows
}
