// RUN: flow-opt %s --flow-select-masks=context=256 --remarks-filter=flow-select-masks 2>&1 >/dev/null | FileCheck %s

// The last of 256 positions sees keys 192 to 255 through a window of 64: two
// full blocks of eight. Through 80 keys it sees half of a third.
// CHECK: full=2, partial=0, skipped=6
// CHECK: full=2, partial=1, skipped=5
// CHECK: full=8, partial=0, skipped=0
func.func @counts(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %start: index, %total: index) {
  %o = flow.attention %q at %start, %k, %k total %total mask <causal, window = 64> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  %p = flow.attention %q at %start, %k, %k total %total mask <causal, window = 80> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  %r = flow.attention %q at %start, %k, %k total %total mask <causal> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}
