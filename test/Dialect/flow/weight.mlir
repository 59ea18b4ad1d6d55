// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // CHECK: flow.weight @q : tensor<64x64xf32> storage q5_0 from "blk.0.attn_q.weight"
  flow.weight @q : tensor<64x64xf32> storage q5_0 from "blk.0.attn_q.weight"
  // CHECK: flow.weight @attention_norm : tensor<64xf32> unit_offset
  flow.weight @attention_norm : tensor<64xf32> unit_offset
  // CHECK: flow.weight @per_layer_tokens : tensor<512x32xf32> storage q8_0 from "per_layer_token_embd.weight" part [0, 64]
  flow.weight @per_layer_tokens : tensor<512x32xf32> storage q8_0 from "per_layer_token_embd.weight" part [0, 64]
  // CHECK: flow.weight @expert_up : tensor<512x64xf32> from "blk.0.ffn_gate_up_exps.weight" part [16, 0] groups [16, 32]
  flow.weight @expert_up : tensor<512x64xf32> from "blk.0.ffn_gate_up_exps.weight" part [16, 0] groups [16, 32]
  // Every storage that a file can name.
  // CHECK: storage f16
  flow.weight @f16 : tensor<64x256xf32> storage f16
  // CHECK: storage bf16
  flow.weight @bf16 : tensor<64x256xf32> storage bf16
  // CHECK: storage q4_0
  flow.weight @q4_0 : tensor<64x256xf32> storage q4_0
  // CHECK: storage q4_1
  flow.weight @q4_1 : tensor<64x256xf32> storage q4_1
  // CHECK: storage q5_1
  flow.weight @q5_1 : tensor<64x256xf32> storage q5_1
  // CHECK: storage q2_k
  flow.weight @q2_k : tensor<64x256xf32> storage q2_k
  // CHECK: storage q3_k
  flow.weight @q3_k : tensor<64x256xf32> storage q3_k
  // CHECK: storage q4_k
  flow.weight @q4_k : tensor<64x256xf32> storage q4_k
  // CHECK: storage q5_k
  flow.weight @q5_k : tensor<64x256xf32> storage q5_k
  // CHECK: storage q6_k
  flow.weight @q6_k : tensor<64x256xf32> storage q6_k
  // CHECK: storage iq4_nl
  flow.weight @iq4_nl : tensor<64x256xf32> storage iq4_nl
  // CHECK: storage iq4_xs
  flow.weight @iq4_xs : tensor<64x256xf32> storage iq4_xs
}
