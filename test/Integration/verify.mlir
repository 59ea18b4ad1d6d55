// The step of drafts: that of prompts with logits of every row, whose products
// and attention take any number of rows.

// RUN: flow-opt %s "--flow-stages=phase=verify logits=all" | FileCheck %s --check-prefix=FLOW
// RUN: flow-opt %s "--flow-stages=phase=verify logits=all" "--flow-linalg=phase=verify" | FileCheck %s --check-prefix=LINALG
// RUN: flow-opt %s "--flow-stages=logits=all" --flow-linalg | FileCheck %s --check-prefix=PROMPT
// RUN: flow-compile %s --verify --emit=flow -o - | FileCheck %s --check-prefix=ALL

// FLOW: func.func @verify(%{{.*}}: tensor<?xi32>, %{{.*}}: index, %{{.*}}: index) -> tensor<?x512xf32> attributes {flow.phase = "verify"}

// A tile of attention is the two heads of one token, of prompts of six.
// LINALG: func.func @verify_layer0
// LINALG: tensor.extract_slice {{.*}}[1, 2, 32] [1, 1, 1] : tensor<?x2x32xf32> to tensor<2x32xf32>
// PROMPT: func.func @prefill_layer0
// PROMPT: tensor.extract_slice {{.*}}[6, 2, 32] [1, 1, 1] : tensor<?x2x32xf32> to tensor<6x2x32xf32>

// ALL: func.func @prefill(
// ALL: func.func @decode(
// ALL: func.func @verify({{.*}} -> tensor<?x512xf32>
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
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
  }
}
