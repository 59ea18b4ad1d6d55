// One layer at each phase: the recipe, its stages, the fused stages, linalg on
// packed tensors, loops over register tiles, and the machine's instructions.

// RUN: flow-opt %s --flow-expand-layers | FileCheck %s --check-prefix=STAGES
// RUN: flow-opt %s --flow-stages | FileCheck %s --check-prefix=FLOW
// RUN: flow-opt %s --flow-stages --flow-linalg | FileCheck %s --check-prefix=LINALG
// RUN: flow-opt %s --flow-compile-cpu="isa=vnni avx512=true" | FileCheck %s --check-prefix=LLVM
// RUN: flow-compile %s --emit=asm --phase=prefill --mcpu=znver4 -o - | FileCheck %s --check-prefix=ASM

// STAGES-LABEL: func.func @prefill
// STAGES: flow.embed
// STAGES: flow.rms_norm
// STAGES-COUNT-3: flow.linear
// STAGES: flow.kv_append
// STAGES: flow.attention
// STAGES: flow.geglu
// STAGES: flow.lm_head

// FLOW-LABEL: func.func private @prefill_layer0
// FLOW: flow.rms_norm {{.*}} -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
// FLOW-NEXT: flow.qkv_rope_append
// FLOW: flow.attention {{.*}} blocks <first = window, size = 32>
// FLOW: flow.linear
// FLOW: flow.add_rms_norm {{.*}} -> tensor<1x64xf32, #flow.quantized_rows<block = 16>>
// FLOW-NEXT: flow.gated_mlp
// FLOW-NEXT: flow.add_rms_norm {{.*}} -> tensor<1x64xf32, #flow.quantized_rows<block = 16>>
// FLOW-NEXT: return

// LINALG-LABEL: func.func @prefill_layer0
// LINALG-NOT: = flow.
// LINALG: linalg.generic
// LINALG: scf.forall

// LLVM: llvm.func @prefill_layer0_attention_q
// LLVM: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"

// ASM-DAG: flow_entry_prefill_layer0:
// ASM-DAG: vpdpbusd

flow.model @gemma <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms sandwich
      attention <heads = 2, kv_heads = 1, head_dim = 32, qk_norm = true>
      mask <causal, window = 16> rope @local cache @kv0
      feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32> storage q5_0
    flow.weight @k : tensor<32x64xf32> storage q5_0
    flow.weight @v : tensor<32x64xf32> storage q8_0
    flow.weight @q_norm : tensor<32xf32>
    flow.weight @k_norm : tensor<32xf32>
    flow.weight @o : tensor<64x64xf32> storage q4_0
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32> storage q5_0
    flow.weight @up : tensor<128x64xf32> storage q5_0
    flow.weight @down : tensor<64x128xf32> storage q5_1
    flow.weight @post_ffn_norm : tensor<64xf32>
  }
}
