// RUN: flow-opt %s --flow-select-masks | FileCheck %s

// Of several models the longest context counts: dropping a window must be right
// for each.

flow.model @long <hidden = 64, vocab = 512, positions = 256> {
}
flow.model @short <hidden = 64, vocab = 512, positions = 16> {
}
// CHECK-LABEL: @longest_context
func.func @longest_context(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) -> (tensor<?x2x32xf32>, tensor<?x2x32xf32>) {
  // CHECK: mask <causal, window = 255> blocks <first = window, size = 32>
  %o = flow.attention %q at %i, %k, %k total %i mask <causal, window = 255> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  // CHECK: mask <causal> blocks <first = zero, size = 32>
  %p = flow.attention %q at %i, %k, %k total %i mask <causal, window = 256> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o, %p : tensor<?x2x32xf32>, tensor<?x2x32xf32>
}
