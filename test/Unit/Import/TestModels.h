// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Small models as files, complete but for the sense of their numbers.

#ifndef FLOW_TEST_IMPORT_TESTMODELS_H
#define FLOW_TEST_IMPORT_TESTMODELS_H

#include "TestGguf.h"

namespace flow {

/// Sizes of a model, all different so that no two can be taken for each other.
struct TestModelSizes {
  uint32_t layers = 7, hidden = 64, heads = 4, kvHeads = 2, headDim = 32,
           ffn = 96, vocab = 40, window = 16, context = 256;
};

/// A model of the architecture `gemma`, `gemma2` or `gemma3`, all layers alike.
inline TestGguf gemmaFile(const std::string &architecture,
                          const TestModelSizes &s = {}) {
  bool isFirst = architecture == "gemma", isThird = architecture == "gemma3";
  TestGguf gguf;
  gguf.string("general.architecture", architecture)
      .u32(architecture + ".block_count", s.layers)
      .u32(architecture + ".context_length", s.context)
      .u32(architecture + ".embedding_length", s.hidden)
      .u32(architecture + ".feed_forward_length", s.ffn)
      .u32(architecture + ".attention.head_count", s.heads)
      .u32(architecture + ".attention.head_count_kv", s.kvHeads)
      .u32(architecture + ".attention.key_length", s.headDim)
      .u32(architecture + ".attention.value_length", s.headDim)
      .f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-6f)
      .f32(architecture + ".rope.freq_base", isThird ? 1e6f : 1e4f);
  if (!isFirst)
    gguf.u32(architecture + ".attention.sliding_window", s.window);
  gguf.tensor("token_embd.weight", {s.hidden, s.vocab}, ggml::Type::Q8_0)
      .tensor("output_norm.weight", {s.hidden});
  for (uint32_t i = 0; i != s.layers; ++i) {
    std::string layer = "blk." + std::to_string(i) + ".";
    uint64_t q = s.heads * s.headDim, kv = s.kvHeads * s.headDim;
    gguf.tensor(layer + "attn_norm.weight", {s.hidden})
        .tensor(layer + "attn_q.weight", {s.hidden, q}, ggml::Type::Q4_0)
        .tensor(layer + "attn_k.weight", {s.hidden, kv}, ggml::Type::Q4_0)
        .tensor(layer + "attn_v.weight", {s.hidden, kv}, ggml::Type::Q8_0)
        .tensor(layer + "attn_output.weight", {q, s.hidden}, ggml::Type::Q4_0)
        .tensor(layer + "ffn_norm.weight", {s.hidden})
        .tensor(layer + "ffn_gate.weight", {s.hidden, s.ffn}, ggml::Type::Q5_0)
        .tensor(layer + "ffn_up.weight", {s.hidden, s.ffn}, ggml::Type::Q5_0)
        .tensor(layer + "ffn_down.weight", {s.ffn, s.hidden}, ggml::Type::Q4_1);
    if (isThird)
      gguf.tensor(layer + "attn_q_norm.weight", {s.headDim})
          .tensor(layer + "attn_k_norm.weight", {s.headDim});
    if (!isFirst)
      gguf.tensor(layer + "post_attention_norm.weight", {s.hidden})
          .tensor(layer + "post_ffw_norm.weight", {s.hidden});
  }
  return gguf;
}

/// A Gemma 4 whose last two layers are full: heads of twice the size, one of
/// keys that are values too; the last is twice as wide inside.
inline TestGguf gemma4File() {
  TestModelSizes s;
  auto isFull = [](uint32_t i) { return i >= 5; };
  auto widthOf = [&](uint32_t i) { return i == 6 ? 2 * s.ffn : s.ffn; };
  std::vector<uint8_t> sliding;
  std::vector<int32_t> kvHeads, widths;
  for (uint32_t i = 0; i != s.layers; ++i) {
    sliding.push_back(!isFull(i));
    kvHeads.push_back(isFull(i) ? 1 : s.kvHeads);
    widths.push_back(widthOf(i));
  }
  std::vector<float> divisors(s.headDim, 1e30f);
  std::fill_n(divisors.begin(), 8, 1.0f);
  TestGguf gguf;
  gguf.string("general.architecture", "gemma4")
      .u32("gemma4.block_count", s.layers)
      .u32("gemma4.context_length", s.context)
      .u32("gemma4.embedding_length", s.hidden)
      .array<int32_t>("gemma4.feed_forward_length", I32, widths)
      .u32("gemma4.attention.head_count", s.heads)
      .array<int32_t>("gemma4.attention.head_count_kv", I32, kvHeads)
      .u32("gemma4.attention.key_length", 2 * s.headDim)
      .u32("gemma4.attention.value_length", 2 * s.headDim)
      .u32("gemma4.attention.key_length_swa", s.headDim)
      .u32("gemma4.attention.value_length_swa", s.headDim)
      .u32("gemma4.attention.sliding_window", s.window)
      .array<uint8_t>("gemma4.attention.sliding_window_pattern", BOOL, sliding)
      .f32("gemma4.attention.layer_norm_rms_epsilon", 1e-6f)
      .f32("gemma4.final_logit_softcapping", 30);
  gguf.tensor("token_embd.weight", {s.hidden, s.vocab}, ggml::Type::Q8_0)
      .tensor("output_norm.weight", {s.hidden})
      .floats("rope_freqs.weight", divisors);
  for (uint32_t i = 0; i != s.layers; ++i) {
    std::string layer = "blk." + std::to_string(i) + ".";
    uint64_t headDim = isFull(i) ? 2 * s.headDim : s.headDim;
    uint64_t q = s.heads * headDim, kv = kvHeads[i] * headDim, f = widthOf(i);
    gguf.tensor(layer + "attn_norm.weight", {s.hidden})
        .tensor(layer + "attn_q.weight", {s.hidden, q})
        .tensor(layer + "attn_k.weight", {s.hidden, kv})
        .tensor(layer + "attn_q_norm.weight", {headDim})
        .tensor(layer + "attn_k_norm.weight", {headDim})
        .tensor(layer + "attn_output.weight", {q, s.hidden})
        .tensor(layer + "post_attention_norm.weight", {s.hidden})
        .tensor(layer + "ffn_norm.weight", {s.hidden})
        .tensor(layer + "ffn_gate.weight", {s.hidden, f})
        .tensor(layer + "ffn_up.weight", {s.hidden, f})
        .tensor(layer + "ffn_down.weight", {f, s.hidden})
        .tensor(layer + "post_ffw_norm.weight", {s.hidden})
        .tensor(layer + "layer_output_scale.weight", {1});
    if (!isFull(i))
      gguf.tensor(layer + "attn_v.weight", {s.hidden, kv});
  }
  return gguf;
}

inline TestGguf gemma3File(const TestModelSizes &sizes = {}) {
  return gemmaFile("gemma3", sizes);
}

} // namespace flow

#endif // FLOW_TEST_IMPORT_TESTMODELS_H
