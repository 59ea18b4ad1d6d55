// RUN: flow-opt %s --flow-select-masks=context=256 --remarks-filter=flow-select-masks --split-input-file --verify-diagnostics

func.func @full_causal(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %start: index, %total: index) {
  // expected-remark @+2 {{the recipe gives it no window}}
  // expected-remark @+1 {{[Analysis] key-blocks}}
  %o = flow.attention %q at %start, %k, %k total %total mask <causal> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return
}
