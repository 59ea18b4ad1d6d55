// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A small Gemma 3 as a file, complete but for the sense of its numbers.

#ifndef FLOW_TEST_IMPORT_TESTMODELS_H
#define FLOW_TEST_IMPORT_TESTMODELS_H

#include "TestGguf.h"

namespace flow {

/// Sizes of a model, all different so that no two can be taken for each other.
struct TestModelSizes {
  uint32_t layers = 7, hidden = 64, heads = 4, kvHeads = 2, headDim = 32,
           ffn = 96, vocab = 40, window = 16, context = 256;
};

inline TestGguf gemma3File(const TestModelSizes &s = {}) {
  TestGguf gguf;
  gguf.string("general.architecture", "gemma3")
      .u32("gemma3.block_count", s.layers)
      .u32("gemma3.context_length", s.context)
      .u32("gemma3.embedding_length", s.hidden)
      .u32("gemma3.feed_forward_length", s.ffn)
      .u32("gemma3.attention.head_count", s.heads)
      .u32("gemma3.attention.head_count_kv", s.kvHeads)
      .u32("gemma3.attention.key_length", s.headDim)
      .u32("gemma3.attention.value_length", s.headDim)
      .u32("gemma3.attention.sliding_window", s.window)
      .f32("gemma3.attention.layer_norm_rms_epsilon", 1e-6f)
      .f32("gemma3.rope.freq_base", 1e6f);
  gguf.tensor("token_embd.weight", {s.hidden, s.vocab}, ggml::Type::Q8_0)
      .tensor("output_norm.weight", {s.hidden});
  for (uint32_t i = 0; i != s.layers; ++i) {
    std::string layer = "blk." + std::to_string(i) + ".";
    uint64_t q = s.heads * s.headDim, kv = s.kvHeads * s.headDim;
    gguf.tensor(layer + "attn_norm.weight", {s.hidden})
        .tensor(layer + "attn_q.weight", {s.hidden, q}, ggml::Type::Q4_0)
        .tensor(layer + "attn_k.weight", {s.hidden, kv}, ggml::Type::Q4_0)
        .tensor(layer + "attn_v.weight", {s.hidden, kv}, ggml::Type::Q8_0)
        .tensor(layer + "attn_q_norm.weight", {s.headDim})
        .tensor(layer + "attn_k_norm.weight", {s.headDim})
        .tensor(layer + "attn_output.weight", {q, s.hidden}, ggml::Type::Q4_0)
        .tensor(layer + "post_attention_norm.weight", {s.hidden})
        .tensor(layer + "ffn_norm.weight", {s.hidden})
        .tensor(layer + "ffn_gate.weight", {s.hidden, s.ffn}, ggml::Type::Q5_0)
        .tensor(layer + "ffn_up.weight", {s.hidden, s.ffn}, ggml::Type::Q5_0)
        .tensor(layer + "ffn_down.weight", {s.ffn, s.hidden}, ggml::Type::Q4_1)
        .tensor(layer + "post_ffw_norm.weight", {s.hidden});
  }
  return gguf;
}

} // namespace flow

#endif // FLOW_TEST_IMPORT_TESTMODELS_H
