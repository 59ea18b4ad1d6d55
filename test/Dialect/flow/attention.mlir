// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @attention
// CHECK-SAME: (%[[Q:.*]]: tensor<?x2x32xf32>, %[[K:.*]]: tensor<?x1x32xf32>, %[[V:.*]]: tensor<?x1x32xf32>, %[[START:.*]]: index, %[[TOTAL:.*]]: index)
func.func @attention(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %start: index, %total: index) {
  // CHECK: flow.attention %[[Q]] at %[[START]], %[[K]], %[[V]] total %[[TOTAL]] mask <causal, window = 16> scale 1.250000e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q at %start, %k, %v total %total mask <causal, window = 16> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  // CHECK: flow.attention %[[Q]] at %[[START]], %[[K]], %[[V]] total %[[TOTAL]] mask <causal> blocks <first = zero, size = 32> scale 1.250000e-01 softcap 5.000000e+01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  %c = flow.attention %q at %start, %k, %v total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 softcap 5.0e+01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// CHECK-LABEL: @every_head_its_own_keys
func.func @every_head_its_own_keys(%q: tensor<1x2x32xf32>, %k: tensor<8x2x32xf32>, %i: index) {
  // CHECK: mask <full> scale 1.000000e+00 : tensor<1x2x32xf32>, tensor<8x2x32xf32>
  %o = flow.attention %q at %i, %k, %k total %i mask <full> scale 1.0 : tensor<1x2x32xf32>, tensor<8x2x32xf32>
  return
}

// CHECK-LABEL: @blocks_from_the_window
func.func @blocks_from_the_window(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) {
  // CHECK: mask <causal, window = 16> blocks <first = window, size = 32> scale
  %o = flow.attention %q at %i, %k, %k total %i mask <causal, window = 16> blocks <first = window, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// CHECK-LABEL: @spans
// CHECK-SAME: %[[SPANS:[a-z0-9]*]]: tensor<?x2xi32>
func.func @spans(%s: tensor<?x2xi32>, %q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %start: index, %total: index) {
  // CHECK: total %{{.*}} spans %[[SPANS]] : tensor<?x2xi32> mask <causal, window = 16, spans = windowed> scale 1.250000e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  %i = flow.attention %q at %start, %k, %v total %total spans %s : tensor<?x2xi32> mask <causal, window = 16, spans = windowed> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  // CHECK: mask <causal, window = 16, spans = free> blocks <first = span, last = span, size = 32> scale
  %f = flow.attention %q at %start, %k, %v total %total spans %s : tensor<?x2xi32> mask <causal, window = 16, spans = free> blocks <first = span, last = span, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// Blocks may hold more than is seen.
// CHECK-LABEL: @generous_blocks
func.func @generous_blocks(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) {
  // CHECK: mask <causal, window = 16> blocks <first = zero, last = total, size = 32> scale
  %o = flow.attention %q at %i, %k, %k total %i mask <causal, window = 16> blocks <first = zero, last = total, size = 32> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// CHECK-LABEL: @sequences
// CHECK-SAME: (%[[Q:.*]]: tensor<?x2x32xf32>, %[[K:.*]]: tensor<?x?x1x32xf32>, %[[S:.*]]: tensor<?x4xi32>, %[[V:.*]]: tensor<?x?x1x32xf32>)
func.func @sequences(%q: tensor<?x2x32xf32>, %ks: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>, %vs: tensor<?x?x1x32xf32>) {
  // CHECK: flow.attention %[[Q]] sequences %[[S]], %[[K]], %[[V]] mask <causal> scale 1.250000e-01 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  %b = flow.attention %q sequences %s, %ks, %vs mask <causal> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  // CHECK: flow.attention %[[Q]] sequences %[[S]] single_rows, %[[K]], %[[V]] mask <causal> scale 1.250000e-01 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  %d = flow.attention %q sequences %s single_rows, %ks, %vs mask <causal> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  return
}
