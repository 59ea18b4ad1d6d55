// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// flow.combine outside its op.
#joined = #flow<combine interleave>

// CHECK-LABEL: @combine
// CHECK-SAME: a = #flow<combine interleave>, b = #flow<combine concat>
func.func private @combine() attributes {a = #joined, b = #flow<combine concat>}
