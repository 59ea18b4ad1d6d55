// RUN: flow-opt %s --flow-expand-layers | FileCheck %s
// RUN: flow-opt %s --flow-expand-layers --flow-select-masks --remarks-filter=flow-select-masks 2>&1 >/dev/null | FileCheck %s --check-prefix=PREFILL
// RUN: flow-opt %s --flow-expand-layers=phase=decode --flow-select-masks --remarks-filter=flow-select-masks 2>&1 >/dev/null | FileCheck %s --check-prefix=DECODE
// RUN: flow-opt %s --flow-expand-layers --flow-plan-cache --remarks-filter=flow-plan-cache 2>&1 >/dev/null | FileCheck %s --check-prefix=CACHE
// RUN: flow-opt %s --pass-pipeline='builtin.module(flow-stages)' | FileCheck %s --check-prefix=SHARED

// T7, T9: the mask of each layer says whether it reads the spans of the step,
// which are an argument where one does. The kinds of a Gemma 4 with images are
// layers 0 and 1, those of a Gemma 3 layers 0 and 2.

// CHECK: func.func @prefill(%{{.*}}: tensor<?xi32>, %{{.*}}: index, %{{.*}}: index, %[[SPANS:.*]]: tensor<?x2xi32>)
// CHECK: spans %[[SPANS]] : tensor<?x2xi32> mask <causal, window = 16, spans = windowed>
// CHECK: flow.attention {{.*}} mask <causal> scale
// CHECK: spans %[[SPANS]] : tensor<?x2xi32> mask <causal, spans = free>
// CHECK: spans %[[SPANS]] : tensor<?x2xi32> mask <causal, window = 16, spans = free>

// PREFILL: layer0: window 16, since the recipe lets a query at position p see keys from p - 15 to p; earlier blocks are skipped
// PREFILL: layer0: spans stay, since a row may see keys behind it
// PREFILL: layer1: the recipe gives it no window
// PREFILL-NOT: layer1: spans
// PREFILL: layer2: spans stay
// PREFILL: layer3: window 16, since the recipe lets a query at position p see keys from p - 15 to p and those of its span
// PREFILL: layer3: spans stay

// DECODE: layer0: spans dropped, since the only row of a step has no key behind it and they reach no further back than the window
// DECODE: layer2: spans dropped, since the only row of a step has no key behind it and no window hides a key before it
// DECODE: layer3: spans stay, since one may reach back before the window of 16

// CACHE-DAG: @kv0 is a ring: no query sees further back than 16 keys
// CACHE-DAG: @kv3 keeps every position: free spans may reach back before the window

// SHARED: func.func private @{{.*}}tensor<?x2xi32>
// SHARED: spans %{{.*}} mask <causal, window = 16, spans = windowed> blocks <first = window, last = span, size = 32>
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.kv_cache @kv1 kv_heads 1 head_dim 32
  flow.kv_cache @kv2 kv_heads 1 head_dim 32
  flow.kv_cache @kv3 kv_heads 1 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal, window = 16, spans = windowed> rope @local cache @kv0 feed_forward <width = 128> {
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
  flow.layer @layer1 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @local cache @kv1 feed_forward <width = 128> {
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
  flow.layer @layer2 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal, spans = free> rope @local cache @kv2 feed_forward <width = 128> {
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
  flow.layer @layer3 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal, window = 16, spans = free> rope @local cache @kv3 feed_forward <width = 128> {
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
