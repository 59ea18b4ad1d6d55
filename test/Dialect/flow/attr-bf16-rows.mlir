// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// The alias of the example, and where it is used.
#rounded = #flow.bf16_rows

// CHECK-LABEL: @bf16_rows
func.func private @bf16_rows() attributes {
  // CHECK-SAME: a0 = #flow.bf16_rows
  a0 = #rounded,
  // CHECK-SAME: a1 = tensor<?x34xf32, #flow.bf16_rows>
  a1 = tensor<?x34xf32, #rounded>
}
