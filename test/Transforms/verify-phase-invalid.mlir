// RUN: flow-opt %s --flow-verify-phase=phase=fused --split-input-file --verify-diagnostics

func.func @no_blocks(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index) -> tensor<?x2x32xf32> {
  // expected-error @+1 {{has no key blocks: flow-select-masks must run}}
  %o = flow.attention %q at %i, %k, %k total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}
