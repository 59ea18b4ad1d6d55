// RUN: flow-opt %s --flow-expand-layers | FileCheck %s

// T4: The keys are the rows of the step, so the mask counts from the first of them,
// wherever the step begins; the rotation still knows the absolute positions.

// CHECK-LABEL: func.func @prefill
// CHECK-SAME: (%{{.*}}: tensor<?xi32>, %[[START:.*]]: index, %[[COUNT:.*]]: index)
// CHECK: %[[ZERO:.*]] = arith.constant 0
// CHECK: flow.rope_angles @m::@local at %[[START]]
// CHECK: %[[K:.*]] = flow.rope {{.*}} : tensor<?x1x32xf32>
// CHECK-NOT: flow.cache_ref
// CHECK: flow.attention %{{.*}} at %[[ZERO]], %[[K]], %{{.*}} total %[[COUNT]] mask
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal, window = 16> rope @local feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
  }
}
