// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// T1: The aliases of the examples, and where they are used.
#tiny = #flow.hyper<hidden = 64, vocab = 512, positions = 256>
#capped = #flow.hyper<hidden = 64, vocab = 512, positions = 256, eps = 1.0e-05, final_softcap = 3.0e+01>

// CHECK-LABEL: @hyper
func.func private @hyper() attributes {
  // CHECK-SAME: a0 = #flow.hyper<hidden = 64, vocab = 512, positions = 256>
  // CHECK-SAME: a1 = #flow.hyper<hidden = 64, vocab = 512, positions = 256, eps = {{[^,]*}}, final_softcap = {{.*}}>
  a0 = #tiny,
  a1 = #capped
}
