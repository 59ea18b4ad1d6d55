// RUN: flow-opt %s --emit-bytecode -o %t.mlirbc
// RUN: flow-opt %t.mlirbc | FileCheck %s

// T1

// CHECK-LABEL: flow.model @m <hidden = 64, vocab = 512, positions = 256, final_softcap = 3.000000e+01> bf16_embedding_scale {
flow.model @m <hidden = 64, vocab = 512, positions = 256, final_softcap = 3.0e+01> bf16_embedding_scale {
  // CHECK: flow.weight @embedding : tensor<512x64xf32> storage q5_0 from "token_embd.weight"
  flow.weight @embedding : tensor<512x64xf32> storage q5_0 from "token_embd.weight"
  // CHECK: flow.weight @final_norm : tensor<64xf32> unit_offset
  flow.weight @final_norm : tensor<64xf32> unit_offset
  // CHECK: flow.rope_table @local theta 1.000000e+04 head_dim 32 pairs 4 factor 8.000000e+00
  flow.rope_table @local theta 1.0e+04 head_dim 32 pairs 4 factor 8.0
  // CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 32 ring 16
  flow.kv_cache @kv0 kv_heads 1 head_dim 32 ring 16
  // CHECK: flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal, window = 16> rope @local cache @kv0 feed_forward <width = 128> {
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal, window = 16> rope @local cache @kv0 feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    // CHECK: flow.derived_weight @gate_up : tensor<256x64xf32> = interleave [@gate, @up]
    flow.derived_weight @gate_up : tensor<256x64xf32> = interleave [@gate, @up]
  }
}
