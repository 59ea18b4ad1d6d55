// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Small models as Hugging Face folders.

#ifndef FLOW_TEST_IMPORT_TESTHFMODELS_H
#define FLOW_TEST_IMPORT_TESTHFMODELS_H

#include "TestSafetensors.h"

#include "flow/Import/HfModel.h"

namespace flow {

/// The config.json of a model of two layers, and more keys where given.
inline std::string hfConfig(llvm::StringRef type, llvm::StringRef more = "") {
  return ("{\"model_type\":\"" + type + R"(","hidden_size":16,
      "num_hidden_layers":2,"intermediate_size":24,"num_attention_heads":4,
      "num_key_value_heads":2,"head_dim":8,"vocab_size":300,
      "max_position_embeddings":64)" +
          (type == "gemma" ? "" : ",\"sliding_window\":16") +
          (more.empty() ? "" : ",") + more + "}")
      .str();
}

/// Name and dimensions of a tensor.
using NamedShape = std::pair<std::string, std::vector<int64_t>>;

/// The tensors of a Gemma 3 of those sizes.
inline std::vector<NamedShape> hfTensors(const std::string &prefix = "model.") {
  std::vector<NamedShape> result = {{prefix + "embed_tokens.weight", {300, 16}},
                                    {prefix + "norm.weight", {16}}};
  for (int i = 0; i != 2; ++i) {
    std::string layer = prefix + "layers." + std::to_string(i) + ".";
    std::string attention = layer + "self_attn.", mlp = layer + "mlp.";
    for (const char *norm :
         {"input_layernorm.weight", "post_attention_layernorm.weight",
          "pre_feedforward_layernorm.weight",
          "post_feedforward_layernorm.weight"})
      result.push_back({layer + norm, {16}});
    result.push_back({attention + "q_proj.weight", {32, 16}});
    result.push_back({attention + "k_proj.weight", {16, 16}});
    result.push_back({attention + "v_proj.weight", {16, 16}});
    result.push_back({attention + "o_proj.weight", {16, 32}});
    result.push_back({attention + "q_norm.weight", {8}});
    result.push_back({attention + "k_norm.weight", {8}});
    result.push_back({mlp + "gate_proj.weight", {24, 16}});
    result.push_back({mlp + "up_proj.weight", {24, 16}});
    result.push_back({mlp + "down_proj.weight", {16, 24}});
  }
  return result;
}

/// A file of those tensors, all of one type.
inline std::string hfWeights(const std::vector<NamedShape> &tensors,
                             llvm::StringRef dtype = "F32") {
  SafetensorsBuilder builder;
  for (const auto &[name, dims] : tensors)
    builder.add(name, dims, dtype);
  return builder.bytes();
}

} // namespace flow

#endif // FLOW_TEST_IMPORT_TESTHFMODELS_H
