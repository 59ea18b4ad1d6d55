// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// flow.storage, flow.norm_placement and flow.combine outside their ops.
#stored = #flow<storage q8_0>
#placed = #flow<norm_placement sandwich>
#joined = #flow<combine interleave>

// CHECK-LABEL: @enums
// CHECK-SAME: a = #flow<storage q8_0>, b = #flow<norm_placement sandwich>, c = #flow<combine interleave>
func.func private @enums() attributes {a = #stored, b = #placed, c = #joined}
