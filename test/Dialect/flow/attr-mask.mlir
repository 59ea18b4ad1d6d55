// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// The aliases of the examples, and where they are used.
#causal = #flow.mask<causal>
#local = #flow.mask<causal, window = 512>
#all = #flow.mask<full>

// CHECK-LABEL: @mask
func.func private @mask() attributes {
  // CHECK-SAME: a0 = #flow.mask<causal>
  // CHECK-SAME: a1 = #flow.mask<causal, window = 512>
  // CHECK-SAME: a2 = #flow.mask<full>
  a0 = #causal,
  a1 = #local,
  a2 = #all
}
