// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// T1: The aliases of the examples, and where they are used.
#gemma3 = #flow.attention<heads = 4, kv_heads = 1, head_dim = 256, qk_norm = true>
#gemma2 = #flow.attention<heads = 8, kv_heads = 4, head_dim = 256, softcap = 5.0e+01>

// CHECK-LABEL: @attention
func.func private @attention() attributes {
  // CHECK-SAME: a0 = #flow.attention<heads = 4, kv_heads = 1, head_dim = 256, qk_norm = true>
  // CHECK-SAME: a1 = #flow.attention<heads = 8, kv_heads = 4, head_dim = 256, softcap = {{.*}}>
  a0 = #gemma3,
  a1 = #gemma2
}
