// RUN: flow-opt %s --flow-select-masks | FileCheck %s
// RUN: flow-opt %s --flow-select-masks=block=64 | FileCheck %s --check-prefix=BLOCK
// RUN: not flow-opt %s --flow-select-masks=block=0 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not flow-opt %s --flow-select-masks=context=-1 2>&1 | FileCheck %s --check-prefix=NEGATIVE

// ZERO: block must be positive, got 0
// NEGATIVE: context must not be negative, got -1

// No model and no option bounds the sequence, so every window may bind.
// CHECK-LABEL: @unbounded
// BLOCK-LABEL: @unbounded
func.func @unbounded(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) -> tensor<?x2x32xf32> {
  // CHECK: mask <causal, window = 1000000> blocks <first = window, size = 32>
  // BLOCK: blocks <first = window, size = 64>
  %o = flow.attention %q at %i, %k, %k total %i mask <causal, window = 1000000> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// A block size of somebody else's is replaced.
// CHECK-LABEL: @chosen_before
// BLOCK-LABEL: @chosen_before
func.func @chosen_before(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) -> tensor<?x2x32xf32> {
  // CHECK: mask <full> blocks <first = zero, last = total, size = 32>
  // BLOCK: blocks <first = zero, last = total, size = 64>
  %o = flow.attention %q at %i, %k, %k total %i mask <full> blocks <first = zero, last = total, size = 8> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}
