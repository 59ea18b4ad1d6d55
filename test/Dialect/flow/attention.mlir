// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @attention
func.func @attention(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %start: index, %total: index) {
  // CHECK: flow.attention %{{.*}} at %{{.*}}, %{{.*}}, %{{.*}} total %{{.*}} mask <causal, window = 16> scale 1.250000e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q at %start, %k, %v total %total mask <causal, window = 16> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  // CHECK: mask <causal> blocks <first = zero, size = 32> scale 1.250000e-01 softcap 5.000000e+01
  %c = flow.attention %q at %start, %k, %v total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 softcap 5.0e+01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}
