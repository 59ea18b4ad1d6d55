// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // CHECK: flow.rope_table @local theta 1.000000e+04 head_dim 256
  flow.rope_table @local theta 1.0e+04 head_dim 256
  // CHECK: flow.rope_table @global theta 1.000000e+06 head_dim 256 factor 8.000000e+00
  flow.rope_table @global theta 1.0e+06 head_dim 256 factor 8.0e+00
  // CHECK: flow.rope_table @partial theta 1.000000e+06 head_dim 512 pairs 64
  flow.rope_table @partial theta 1.0e+06 head_dim 512 pairs 64
}
