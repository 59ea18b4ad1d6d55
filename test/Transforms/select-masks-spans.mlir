// RUN: flow-opt %s --flow-select-masks=context=256 --remarks-filter=flow-select-masks --split-input-file --verify-diagnostics | FileCheck %s

// T8, T9: what is proven of spans, by mask and phase.

// Many rows: what lies behind a row, and what before the window, may be seen.
// CHECK-LABEL: @prefill
func.func @prefill(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %start: index, %total: index) {
  // CHECK: spans %{{.*}} mask <causal, window = 16, spans = windowed> blocks <first = window, last = span, size = 32>
  // expected-remark @+3 {{[Passed] windowed | Category:flow-select-masks | Remark="attention: window 16, since the recipe lets a query at position p see keys from p - 15 to p; earlier blocks are skipped"}}
  // expected-remark @+2 {{attention: spans stay, since a row may see keys behind it; the last block is that of its span's end}}
  // expected-remark @+1 {{full=0, partial=1, skipped=7}}
  %o = flow.attention %q at %start, %k, %k total %total spans %s : tensor<?x2xi32> mask <causal, window = 16, spans = windowed> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  // CHECK: spans %{{.*}} mask <causal, window = 16, spans = free> blocks <first = span, last = span, size = 32>
  // expected-remark @+3 {{see keys from p - 15 to p and those of its span; earlier blocks are skipped}}
  // expected-remark @+2 {{spans stay, since a row may see keys behind it}}
  // expected-remark @+1 {{full=0, partial=1, skipped=7}}
  %p = flow.attention %q at %start, %k, %k total %total spans %s : tensor<?x2xi32> mask <causal, window = 16, spans = free> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  // CHECK: spans %{{.*}} mask <causal, spans = free> blocks <first = zero, last = span, size = 32>
  // expected-remark @+3 {{attention: the recipe gives it no window}}
  // expected-remark @+2 {{spans stay, since a row may see keys behind it}}
  // expected-remark @+1 {{full=8, partial=0, skipped=0}}
  %r = flow.attention %q at %start, %k, %k total %total spans %s : tensor<?x2xi32> mask <causal, spans = free> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// Without the window that limited them, spans are free.
// CHECK-LABEL: @idle_window
func.func @idle_window(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %start: index, %total: index) {
  // CHECK: mask <causal, spans = free> blocks <first = zero, last = span, size = 32>
  // expected-remark @+3 {{a window of 256 cannot hide any of 256 positions}}
  // expected-remark @+2 {{[Missed] spans-kept}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %o = flow.attention %q at %start, %k, %k total %total spans %s : tensor<?x2xi32> mask <causal, window = 256, spans = windowed> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// One row that the step itself appends: nothing is behind it.
// CHECK-LABEL: @decode
func.func @decode(%q: tensor<1x2x32xf32>, %k: tensor<1x1x32xf32>, %kc: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %start: index, %count: index) {
  %k1, %v1 = flow.kv_append %k, %k into %kc, %kc at %start count %count : tensor<1x1x32xf32>, tensor<?x1x32xf32>
  %total = arith.addi %start, %count : index
  // CHECK: total %{{.*}} mask <causal, window = 16> blocks <first = window, size = 32>
  // expected-remark @+3 {{[Passed] windowed}}
  // expected-remark @+2 {{attention: spans dropped, since the only row of a step has no key behind it and they reach no further back than the window}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %o = flow.attention %q at %start, %k1, %v1 total %total spans %s : tensor<?x2xi32> mask <causal, window = 16, spans = windowed> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  // CHECK: total %{{.*}} mask <causal> blocks <first = zero, size = 32>
  // expected-remark @+3 {{[Missed] not-windowed}}
  // expected-remark @+2 {{attention: spans dropped, since the only row of a step has no key behind it and no window hides a key before it}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %p = flow.attention %q at %start, %k1, %v1 total %total spans %s : tensor<?x2xi32> mask <causal, spans = free> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  // A free span still shows what the window hides.
  // CHECK: spans %{{.*}} mask <causal, window = 16, spans = free> blocks <first = span, last = span, size = 32>
  // expected-remark @+3 {{[Passed] windowed}}
  // expected-remark @+2 {{attention: spans stay, since one may reach back before the window of 16}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %r = flow.attention %q at %start, %k1, %v1 total %total spans %s : tensor<?x2xi32> mask <causal, window = 16, spans = free> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// The fused append, and a count that is a constant.
// CHECK-LABEL: @fused
func.func @fused(%x: tensor<1x64xf32>, %w: tensor<128x64xf32>, %a: tensor<1x16x2xf32>, %kc: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %start: index, %count: index) {
  %q, %k, %v = flow.qkv_rope_append %x, %w rope %a into %kc, %kc at %start count %count : tensor<1x64xf32>, tensor<128x64xf32>, tensor<1x16x2xf32>, tensor<?x1x32xf32> -> tensor<1x2x32xf32>
  %total = arith.addi %count, %start : index
  // CHECK: mask <causal> blocks
  // expected-remark @+3 {{[Missed] not-windowed}}
  // expected-remark @+2 {{[Passed] spans-dropped}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %o = flow.attention %q at %start, %k, %v total %total spans %s : tensor<?x2xi32> mask <causal, spans = free> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  %c1 = arith.constant 1 : index
  %next = arith.addi %start, %c1 : index
  // CHECK: mask <causal> blocks
  // expected-remark @+3 {{[Missed] not-windowed}}
  // expected-remark @+2 {{[Passed] spans-dropped}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %p = flow.attention %q at %start, %kc, %kc total %next spans %s : tensor<?x2xi32> mask <causal, spans = free> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return
}

// -----

// One row, of which nothing says that it is the last: the count is of another
// append, or a constant of two.
// CHECK-LABEL: @not_proven
func.func @not_proven(%q: tensor<1x2x32xf32>, %k: tensor<?x1x32xf32>, %kc: tensor<?x1x32xf32>, %s: tensor<?x2xi32>, %start: index, %count: index) {
  %k1, %v1 = flow.kv_append %k, %k into %kc, %kc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %total = arith.addi %start, %count : index
  // CHECK: spans %{{.*}} mask <causal, spans = free>
  // expected-remark @+3 {{[Missed] not-windowed}}
  // expected-remark @+2 {{[Missed] spans-kept}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %o = flow.attention %q at %start, %k1, %v1 total %total spans %s : tensor<?x2xi32> mask <causal, spans = free> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  %c2 = arith.constant 2 : index
  %next = arith.addi %start, %c2 : index
  // CHECK: spans %{{.*}} mask <causal, spans = free>
  // expected-remark @+3 {{[Missed] not-windowed}}
  // expected-remark @+2 {{[Missed] spans-kept}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %p = flow.attention %q at %start, %k1, %v1 total %next spans %s : tensor<?x2xi32> mask <causal, spans = free> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return
}
