// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// T1: The aliases of the examples, and where they are used.
#dense = #flow.feed_forward<width = 2048>
#mixture = #flow.feed_forward<width = 2112, experts = 128, top_k = 8, expert_width = 704>

// CHECK-LABEL: @feed_forward
func.func private @feed_forward() attributes {
  // CHECK-SAME: a0 = #flow.feed_forward<width = 2048>
  // CHECK-SAME: a1 = #flow.feed_forward<width = 2112, experts = 128, top_k = 8, expert_width = 704>
  a0 = #dense,
  a1 = #mixture
}
