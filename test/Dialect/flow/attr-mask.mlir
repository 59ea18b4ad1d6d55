// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// The aliases of the examples, and where they are used.
#causal = #flow.mask<causal>
#local = #flow.mask<causal, window = 512>
#all = #flow.mask<full>
#images = #flow.mask<causal, spans = free>
#local_images = #flow.mask<causal, window = 512, spans = windowed>

// CHECK-LABEL: @mask
func.func private @mask() attributes {
  // CHECK-SAME: a0 = #flow.mask<causal>
  // CHECK-SAME: a1 = #flow.mask<causal, window = 512>
  // CHECK-SAME: a2 = #flow.mask<full>
  // CHECK-SAME: a3 = #flow.mask<causal, spans = free>
  // CHECK-SAME: a4 = #flow.mask<causal, window = 512, spans = windowed>
  a0 = #causal,
  a1 = #local,
  a2 = #all,
  a3 = #images,
  a4 = #local_images
}

// What is the default is not printed.
// CHECK-LABEL: @defaults
func.func private @defaults() attributes {
  // CHECK-SAME: a0 = #flow.mask<causal>
  a0 = #flow.mask<causal, window = 0, spans = none>
}
