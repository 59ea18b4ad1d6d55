// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
  flow.weight @gate : tensor<128x64xf32>
  flow.weight @up : tensor<128x64xf32>
  // CHECK: flow.derived_weight @qkv : tensor<128x64xf32> = concat [@q, @k, @v]
  flow.derived_weight @qkv : tensor<128x64xf32> = concat [@q, @k, @v]
  // CHECK: flow.derived_weight @gate_up : tensor<256x64xf32> = interleave [@gate, @up]
  flow.derived_weight @gate_up : tensor<256x64xf32> = interleave [@gate, @up]
}
