// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// The aliases of the examples, and where they are used.
#whole = #flow.key_blocks<first = zero, size = 32>
#sliding = #flow.key_blocks<first = window, size = 32>
#both_ways = #flow.key_blocks<first = zero, last = total, size = 32>
#images_of_a_band = #flow.key_blocks<first = span, last = span, size = 32>

// CHECK-LABEL: @key_blocks
func.func private @key_blocks() attributes {
  // CHECK-SAME: a0 = #flow.key_blocks<first = zero, size = 32>
  // CHECK-SAME: a1 = #flow.key_blocks<first = window, size = 32>
  // CHECK-SAME: a2 = #flow.key_blocks<first = zero, last = total, size = 32>
  // CHECK-SAME: a3 = #flow.key_blocks<first = span, last = span, size = 32>
  a0 = #whole,
  a1 = #sliding,
  a2 = #both_ways,
  a3 = #images_of_a_band
}
