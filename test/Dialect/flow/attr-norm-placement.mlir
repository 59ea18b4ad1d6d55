// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// flow.norm_placement outside its op.
#placed = #flow<norm_placement sandwich>

// CHECK-LABEL: @norm_placement
// CHECK-SAME: a = #flow<norm_placement sandwich>, b = #flow<norm_placement pre>
func.func private @norm_placement() attributes {a = #placed, b = #flow<norm_placement pre>}
