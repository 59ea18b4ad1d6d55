// RUN: flow-opt %s --flow-expand-layers | FileCheck %s
// RUN: flow-opt %s --flow-expand-layers=phase=decode | FileCheck %s --check-prefix=DECODE

// T4, T14: the router reads the stream as it is, with a norm of its own; experts
// and the dense MLP each have a norm before and after, and one follows their sum.
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms sandwich attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @rope cache @kv0 feed_forward <width = 128, experts = 32, top_k = 4, expert_width = 32> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.weight @post_dense_norm : tensor<64xf32>
    flow.weight @router_scale : tensor<64xf32>
    flow.weight @router : tensor<32x64xf32>
    flow.weight @expert_scale : tensor<32xf32>
    flow.weight @expert_norm : tensor<64xf32>
    flow.weight @expert_gate : tensor<1024x64xf32>
    flow.weight @expert_up : tensor<1024x64xf32>
    flow.weight @expert_down : tensor<2048x32xf32>
    flow.weight @post_expert_norm : tensor<64xf32>
    flow.weight @post_ffn_norm : tensor<64xf32>
  }
}

// CHECK-LABEL: func.func @prefill
// CHECK: %[[WP:.*]] = flow.weight_ref @m::@layer0::@post_attention_norm
// CHECK: %[[P:.*]] = flow.rms_norm %{{.*}} scale %[[WP]]
// CHECK: %[[H:.*]] = arith.addf %{{.*}}, %[[P]] : tensor<?x64xf32>
// CHECK: %[[WF:.*]] = flow.weight_ref @m::@layer0::@ffn_norm
// CHECK: %[[F:.*]] = flow.rms_norm %[[H]] scale %[[WF]]
// CHECK: flow.linear %[[F]]
// CHECK: flow.linear %[[F]]
// CHECK: %[[GEGLU:.*]] = flow.geglu
// CHECK: %[[MLP:.*]] = flow.linear %[[GEGLU]]
// CHECK: %[[WD:.*]] = flow.weight_ref @m::@layer0::@post_dense_norm
// CHECK: %[[DENSE:.*]] = flow.rms_norm %[[MLP]] scale %[[WD]]
// CHECK: %[[WS:.*]] = flow.weight_ref @m::@layer0::@router_scale
// CHECK: %[[R:.*]] = flow.rms_norm %[[H]] scale %[[WS]]
// CHECK: %[[WR:.*]] = flow.weight_ref @m::@layer0::@router
// CHECK: %[[Z:.*]] = flow.linear %[[R]], %[[WR]] : {{.*}} -> tensor<?x32xf32>
// CHECK: %[[WE:.*]] = flow.weight_ref @m::@layer0::@expert_scale
// 1 / sqrt(64)
// CHECK: %[[E:.*]], %[[S:.*]] = flow.route_experts %[[Z]] scale %[[WE]] factor 1.250000e-01 : tensor<?x32xf32>, tensor<32xf32> -> tensor<?x4xi32>
// CHECK: %[[WN:.*]] = flow.weight_ref @m::@layer0::@expert_norm
// CHECK: %[[N:.*]] = flow.rms_norm %[[H]] scale %[[WN]]
// CHECK-DAG: %[[WG:.*]] = flow.weight_ref @m::@layer0::@expert_gate
// CHECK-DAG: %[[WU:.*]] = flow.weight_ref @m::@layer0::@expert_up
// CHECK-DAG: %[[WDN:.*]] = flow.weight_ref @m::@layer0::@expert_down
// CHECK: %[[M:.*]] = flow.moe %[[N]] to %[[E]] by %[[S]], %[[WG]], %[[WU]], %[[WDN]]
// CHECK: %[[WX:.*]] = flow.weight_ref @m::@layer0::@post_expert_norm
// CHECK: %[[MIX:.*]] = flow.rms_norm %[[M]] scale %[[WX]]
// CHECK: %[[BOTH:.*]] = arith.addf %[[DENSE]], %[[MIX]]
// CHECK: %[[WO:.*]] = flow.weight_ref @m::@layer0::@post_ffn_norm
// CHECK: %[[B:.*]] = flow.rms_norm %[[BOTH]] scale %[[WO]]
// CHECK: arith.addf %[[H]], %[[B]]

// DECODE-LABEL: func.func @decode
// DECODE: flow.route_experts {{.*}} -> tensor<1x4xi32>
// DECODE: flow.moe {{.*}} -> tensor<1x64xf32>
