// RUN: flow-opt %s --flow-select-masks=context=256 --remarks-filter=flow-select-masks --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @windowed
func.func @windowed(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %start: index, %total: index) {
  // CHECK: mask <causal, window = 16> blocks <first = window, size = 32>
  // expected-remark @+2 {{[Passed] windowed}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %o = flow.attention %q at %start, %k, %k total %total mask <causal, window = 16> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// A window as long as the context hides nothing.
// CHECK-LABEL: @idle_window
func.func @idle_window(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %start: index, %total: index) {
  // CHECK: mask <causal> blocks <first = zero, size = 32>
  // expected-remark @+2 {{a window of 256 cannot hide any of 256 positions}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %o = flow.attention %q at %start, %k, %k total %total mask <causal, window = 256> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// One key shorter, and it can.
// CHECK-LABEL: @binding_window
func.func @binding_window(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %start: index, %total: index) {
  // CHECK: mask <causal, window = 255> blocks <first = window, size = 32>
  // expected-remark @+2 {{[Passed] windowed}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %o = flow.attention %q at %start, %k, %k total %total mask <causal, window = 255> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}
