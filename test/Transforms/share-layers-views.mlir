// RUN: flow-opt %s --flow-expand-layers --flow-slice-last-token --flow-share-layers | FileCheck %s
// RUN: flow-opt %s --flow-stages=phase=decode | FileCheck %s --check-prefix=ROWS

// The last two layers run for one row. Each slices the angles itself: a slice
// that one function made for the other would have to be copied out of it.
// CHECK-LABEL: func.func @prefill(
// CHECK: %[[A:.*]] = flow.rope_angles
// CHECK: call @prefill_layer1({{.*}}%[[A]]
// CHECK: call @prefill_layer1({{.*}}%[[A]]
// CHECK: func.func private @prefill_layer1(
// CHECK: tensor.extract_slice %{{.*}} : tensor<?x16x2xf32> to tensor<1x16x2xf32>
// CHECK: return %{{.*}} : tensor<1x64xf32>

// Both layers multiply the embedding of the tokens, and each quantises it:
// quantised rows are in no buffer that a function could hand out.
// ROWS-LABEL: func.func @decode(
// ROWS: %[[X0:.*]] = flow.embed
// ROWS: call @decode_layer0({{.*}}%[[X0]]
// ROWS: call @decode_layer1({{.*}}%[[X0]]
// ROWS: func.func private @decode_layer1(
// ROWS-NOT: quantized_rows
// ROWS: {
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @final_norm : tensor<64xf32>
  flow.rope_table @rope theta 1.0e+04 head_dim 32
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.layer @layer0 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @rope cache @kv0 feed_forward <width = 128> per_layer 32 {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @k : tensor<32x64xf32>
    flow.weight @v : tensor<32x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.weight @per_layer_tokens : tensor<512x32xf32>
    flow.weight @per_layer_context : tensor<32x64xf32> storage q8_0
    flow.weight @per_layer_context_norm : tensor<32xf32>
    flow.weight @per_layer_gate : tensor<32x64xf32>
    flow.weight @per_layer_output : tensor<64x32xf32>
    flow.weight @post_per_layer_norm : tensor<64xf32>
  }
  flow.layer @layer1 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @rope cache @kv0 shared feed_forward <width = 128> per_layer 32 {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.weight @per_layer_tokens : tensor<512x32xf32>
    flow.weight @per_layer_context : tensor<32x64xf32> storage q8_0
    flow.weight @per_layer_context_norm : tensor<32xf32>
    flow.weight @per_layer_gate : tensor<32x64xf32>
    flow.weight @per_layer_output : tensor<64x32xf32>
    flow.weight @post_per_layer_norm : tensor<64xf32>
  }
  flow.layer @layer2 norms pre attention <heads = 2, kv_heads = 1, head_dim = 32> mask <causal> rope @rope cache @kv0 shared feed_forward <width = 128> per_layer 32 {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32>
    flow.weight @o : tensor<64x64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32>
    flow.weight @up : tensor<128x64xf32>
    flow.weight @down : tensor<64x128xf32>
    flow.weight @per_layer_tokens : tensor<512x32xf32>
    flow.weight @per_layer_context : tensor<32x64xf32> storage q8_0
    flow.weight @per_layer_context_norm : tensor<32xf32>
    flow.weight @per_layer_gate : tensor<32x64xf32>
    flow.weight @per_layer_output : tensor<64x32xf32>
    flow.weight @post_per_layer_norm : tensor<64xf32>
  }
}
