// RUN: flow-opt %s --flow-stages --remarks-filter='flow-(fuse-qkv|fuse-gated-mlp|share-layers)' -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: flow-compile %s --emit=llvm --phase=prefill -o - | FileCheck %s --check-prefix=LLVM
// RUN: flow-compile %s --emit=asm --phase=prefill -o - | FileCheck %s --check-prefix=ASM

// T26: what a layer is called in the recipe, and what its stages are, stands in
// remarks, in the names of functions and in the symbols of the object. Layers
// that are alike are one function with the name of the first of them, and so are
// loops.

// REMARK-DAG: loc("early/attention/append"): [Passed] qkv-fused
// REMARK-DAG: loc("late/attention/append"): [Passed] qkv-fused
// REMARK-DAG: @prefill_early serves early, late

// LLVM-DAG: llvm.func @prefill_early(
// LLVM-DAG: llvm.func @prefill_first_attention_attend(
// LLVM-NOT: llvm.func @prefill_late

// ASM-DAG: {{^}}flow_entry_prefill_early:
// ASM-DAG: {{^}}prefill_first_attention_o:
// ASM-DAG: {{^}}prefill_first_ffn_gate:

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope theta 1.0e+04 head_dim 32
  flow.kv_cache @kv3 kv_heads 2 head_dim 32
  flow.layer @first norms pre
      attention <heads = 4, kv_heads = 2, head_dim = 32>
      mask <causal> rope @rope cache @kv3
      feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<128x64xf32> storage q8_0
    flow.weight @k : tensor<64x64xf32> storage q8_0
    flow.weight @v : tensor<64x64xf32> storage q8_0
    flow.weight @o : tensor<64x128xf32> storage q8_0
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32> storage q8_0
    flow.weight @up : tensor<128x64xf32> storage q8_0
    flow.weight @down : tensor<64x128xf32> storage q8_0
  }
  flow.kv_cache @kv0 kv_heads 2 head_dim 32
  flow.layer @early norms pre
      attention <heads = 4, kv_heads = 2, head_dim = 32>
      mask <causal> rope @rope cache @kv0
      feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<128x64xf32> storage q8_0
    flow.weight @k : tensor<64x64xf32> storage q8_0
    flow.weight @v : tensor<64x64xf32> storage q8_0
    flow.weight @o : tensor<64x128xf32> storage q8_0
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32> storage q8_0
    flow.weight @up : tensor<128x64xf32> storage q8_0
    flow.weight @down : tensor<64x128xf32> storage q8_0
  }
  flow.kv_cache @kv1 kv_heads 2 head_dim 32
  flow.layer @late norms pre
      attention <heads = 4, kv_heads = 2, head_dim = 32>
      mask <causal> rope @rope cache @kv1
      feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<128x64xf32> storage q8_0
    flow.weight @k : tensor<64x64xf32> storage q8_0
    flow.weight @v : tensor<64x64xf32> storage q8_0
    flow.weight @o : tensor<64x128xf32> storage q8_0
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32> storage q8_0
    flow.weight @up : tensor<128x64xf32> storage q8_0
    flow.weight @down : tensor<64x128xf32> storage q8_0
  }
  flow.kv_cache @kv2 kv_heads 2 head_dim 32
  flow.layer @last norms pre
      attention <heads = 4, kv_heads = 2, head_dim = 32>
      mask <causal> rope @rope cache @kv2
      feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<128x64xf32> storage q8_0
    flow.weight @k : tensor<64x64xf32> storage q8_0
    flow.weight @v : tensor<64x64xf32> storage q8_0
    flow.weight @o : tensor<64x128xf32> storage q8_0
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32> storage q8_0
    flow.weight @up : tensor<128x64xf32> storage q8_0
    flow.weight @down : tensor<64x128xf32> storage q8_0
  }
}
