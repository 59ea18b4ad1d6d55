// RUN: flow-opt %s --flow-plan-cache --remarks-filter=flow-plan-cache 2>&1 >/dev/null | FileCheck %s
// RUN: flow-opt %s --flow-plan-cache=context=40 --remarks-filter=flow-plan-cache 2>&1 >/dev/null | FileCheck %s --check-prefix=SHORT
// RUN: not flow-opt %s --flow-plan-cache=context=-1 2>&1 | FileCheck %s --check-prefix=NEGATIVE

// Sums and products stop at the largest number instead of wrapping around, and
// a ring is never larger than the context.
// CHECK: bytes=18446744073709551615, capacity=9223372036854775808
// SHORT: bytes=16384, capacity=64
// NEGATIVE: context must not be negative, got -1
flow.model @m <hidden = 64, vocab = 512, positions = 9223372036854775807> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @huge(%q: tensor<?x2x32xf32>, %i: index) -> tensor<?x2x32xf32> {
  %k, %v = flow.cache_ref @m::@kv0 : tensor<?x1x32xf32>
  %o = flow.attention %q at %i, %k, %v total %i mask <causal, window = 9223372036854775807> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}
