// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every key of a config.json is honoured or refused by name.

#include "flow/Import/HfConfig.h"

#include <gmock/gmock.h>

#include <cmath>

using namespace flow;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::StartsWith;

namespace {

HfConfig read(llvm::StringRef text) {
  llvm::Expected<HfConfig> config = parseHfConfig(text, "c");
  if (config)
    return std::move(*config);
  ADD_FAILURE() << llvm::toString(config.takeError());
  return {};
}

/// The message over `text` without the path; "no error" if it is read.
std::string errorOf(llvm::StringRef text) {
  llvm::Expected<HfConfig> config = parseHfConfig(text, "c");
  if (config)
    return "no error";
  std::string message = llvm::toString(config.takeError());
  llvm::StringRef rest = message;
  EXPECT_TRUE(rest.consume_front("c: ")) << message;
  return rest.str();
}

/// A config.json of `type` and these keys.
std::string with(llvm::StringRef type, llvm::StringRef keys) {
  return ("{\"model_type\":\"" + type + "\"" + (keys.empty() ? "" : ",") +
          keys + "}")
      .str();
}
std::string errorOf(llvm::StringRef type, llvm::StringRef keys) {
  return errorOf(with(type, keys));
}
GemmaConfig read(llvm::StringRef type, llvm::StringRef keys) {
  return read(with(type, keys)).gemma;
}

/// 's' for each layer that slides, 'f' for each that is full.
std::string patternOf(const GemmaConfig &config) {
  std::string pattern;
  for (const GemmaLayer &layer : config.layers)
    pattern += layer.sliding ? 's' : 'f';
  return pattern;
}

/// The least that a Gemma 4 must say to be a dense one.
constexpr llvm::StringLiteral kDense = "\"hidden_size_per_layer_input\":0";

} // namespace

// T5
TEST(HfConfig, DefaultsOfGemma1) {
  HfConfig config = read(with("gemma", ""));
  const GemmaConfig &c = config.gemma;
  EXPECT_EQ(c.architecture, "gemma");
  EXPECT_EQ(c.hidden, 3072);
  EXPECT_EQ(c.heads, 16);
  EXPECT_EQ(c.vocab, 256000);
  EXPECT_EQ(c.context, 8192);
  EXPECT_EQ(c.eps, 1e-6f);
  EXPECT_EQ(patternOf(c), std::string(28, 'f'));
  EXPECT_THAT(c.layers, Each(Field(&GemmaLayer::ffn, 24576)));
  EXPECT_EQ(c.ropeFull.theta, 1e4f);
  EXPECT_EQ(c.window, 0);
  EXPECT_EQ(c.attentionScale, 0);
  EXPECT_FALSE(c.postNorms || c.qkNorm || c.vNorm);
  EXPECT_TRUE(c.tiedHead);
  EXPECT_TRUE(config.unitOffset);
  EXPECT_EQ(config.bos, 2);
  EXPECT_THAT(config.eos, ElementsAre(1));
}

// T5
TEST(HfConfig, DefaultsOfGemma2) {
  GemmaConfig c = read("gemma2", "\"num_hidden_layers\":5");
  EXPECT_EQ(patternOf(c), "sfsfs");
  EXPECT_EQ(c.window, 4096);
  EXPECT_EQ(c.attentionSoftcap, 50);
  EXPECT_EQ(c.finalSoftcap, 30);
  EXPECT_TRUE(c.postNorms);
  EXPECT_FALSE(c.qkNorm);
  EXPECT_EQ(c.ropeSliding.theta, 1e4f);
}

// T5
TEST(HfConfig, DefaultsOfGemma3) {
  GemmaConfig c = read("gemma3_text", "\"num_hidden_layers\":14");
  EXPECT_EQ(patternOf(c), "sssssfsssssfss");
  EXPECT_EQ(c.vocab, 262208);
  EXPECT_EQ(c.ropeFull.theta, 1e6f);
  EXPECT_EQ(c.ropeSliding.theta, 1e4f);
  EXPECT_EQ(c.attentionSoftcap, 0);
  EXPECT_EQ(c.finalSoftcap, 0);
  EXPECT_TRUE(c.postNorms && c.qkNorm && !c.vNorm);
}

// T5
TEST(HfConfig, DefaultsOfGemma4) {
  HfConfig config = read(with("gemma4_text", kDense));
  const GemmaConfig &c = config.gemma;
  EXPECT_EQ(patternOf(c).substr(18), "sssssfsssssf");
  EXPECT_EQ(c.layers[0].headDim, 256);
  EXPECT_EQ(c.layers[5].headDim, 512);
  EXPECT_EQ(c.layers[5].kvHeads, 4);
  EXPECT_FALSE(c.layers[5].kEqV);
  EXPECT_THAT(c.layers, Each(Field(&GemmaLayer::scalar, true)));
  EXPECT_EQ(c.attentionScale, 1);
  EXPECT_EQ(c.ropeFull.pairs, 64);
  EXPECT_EQ(c.ropeSliding.pairs, 0);
  EXPECT_EQ(c.window, 512);
  EXPECT_FALSE(config.unitOffset);
  // The last layer is full whatever the period.
  EXPECT_EQ(patternOf(read("gemma4_text",
                           (kDense + ",\"num_hidden_layers\":8").str())),
            "sssssfsf");
}

TEST(HfConfig, FullLayersOfGemma4) {
  GemmaConfig c = read("gemma4_text", (kDense + R"(,
      "num_attention_heads":16,"num_key_value_heads":8,"num_hidden_layers":2,
      "num_global_key_value_heads":1,"global_head_dim":64,"head_dim":32,
      "attention_k_eq_v":true,"final_logit_softcapping":30.0,
      "layer_types":["sliding_attention","full_attention"],
      "rope_parameters":{
        "full_attention":{"rope_type":"proportional","rope_theta":5e5,
                          "partial_rotary_factor":0.5,"factor":2},
        "sliding_attention":{"rope_type":"default","rope_theta":2e4}})")
                                          .str());
  EXPECT_EQ(c.layers[0].kvHeads, 8);
  EXPECT_EQ(c.layers[0].headDim, 32);
  EXPECT_FALSE(c.layers[0].kEqV);
  EXPECT_EQ(c.layers[1].kvHeads, 1);
  EXPECT_EQ(c.layers[1].headDim, 64);
  EXPECT_TRUE(c.layers[1].kEqV);
  EXPECT_EQ(c.finalSoftcap, 30);
  EXPECT_EQ(c.ropeFull.theta, 5e5f);
  EXPECT_EQ(c.ropeFull.factor, 2);
  EXPECT_EQ(c.ropeFull.pairs, 16);
  EXPECT_EQ(c.ropeSliding.theta, 2e4f);
  EXPECT_EQ(c.ropeSliding.pairs, 0);
}

TEST(HfConfig, KeysAreHonoured) {
  HfConfig config = read(with("gemma3_text", R"(
      "hidden_size":64,"num_hidden_layers":3,"intermediate_size":96,
      "num_attention_heads":6,"num_key_value_heads":3,"head_dim":32,
      "vocab_size":40,"rms_norm_eps":1e-5,"max_position_embeddings":77,
      "query_pre_attn_scalar":168,"sliding_window":16,
      "attn_logit_softcapping":7,"final_logit_softcapping":9,
      "sliding_window_pattern":2,"rope_theta":3e5,"rope_local_base_freq":3e4,
      "rope_scaling":{"rope_type":"linear","factor":8.0},
      "tie_word_embeddings":false,"bos_token_id":5,"pad_token_id":6,
      "eos_token_id":[1,106],"hidden_activation":"gelu_pytorch_tanh",
      "attention_bias":false,"torch_dtype":"bfloat16","use_cache":true)"));
  const GemmaConfig &c = config.gemma;
  EXPECT_EQ(c.hidden, 64);
  EXPECT_EQ(c.heads, 6);
  EXPECT_EQ(c.vocab, 40);
  EXPECT_EQ(c.context, 77);
  EXPECT_EQ(c.eps, 1e-5f);
  EXPECT_EQ(c.window, 16);
  EXPECT_EQ(patternOf(c), "sfs");
  EXPECT_EQ(c.layers[0].kvHeads, 3);
  EXPECT_EQ(c.layers[0].headDim, 32);
  EXPECT_EQ(c.layers[0].ffn, 96);
  EXPECT_EQ(c.attentionScale, static_cast<float>(1 / std::sqrt(168.0)));
  EXPECT_EQ(c.attentionSoftcap, 7);
  EXPECT_EQ(c.finalSoftcap, 9);
  EXPECT_EQ(c.ropeFull.theta, 3e5f);
  EXPECT_EQ(c.ropeFull.factor, 8);
  EXPECT_EQ(c.ropeSliding.theta, 3e4f);
  EXPECT_EQ(c.ropeSliding.factor, 1);
  EXPECT_FALSE(c.tiedHead);
  EXPECT_EQ(config.bos, 5);
  EXPECT_EQ(config.pad, 6);
  EXPECT_THAT(config.eos, ElementsAre(1, 106));
}

TEST(HfConfig, TheTextPartOfAMultimodalModel) {
  HfConfig config = read(R"({"model_type":"gemma3","hidden_size":1,
      "eos_token_id":[1,106],"tie_word_embeddings":false,
      "vision_config":{"hidden_size":2},
      "text_config":{"model_type":"gemma3_text","hidden_size":64}})");
  EXPECT_EQ(config.gemma.hidden, 64);
  EXPECT_FALSE(config.gemma.tiedHead);
  EXPECT_THAT(config.eos, ElementsAre(1, 106));
  EXPECT_EQ(errorOf(R"({"model_type":"gemma3","text_config":{"head_dim":-1}})"),
            "key 'text_config.head_dim' must be an integer in 1 to 1048576, "
            "found -1");
  EXPECT_EQ(errorOf(R"({"model_type":"gemma3",
                        "text_config":{"model_type":"llama"}})"),
            "key 'text_config.model_type' must be 'gemma3_text', found "
            "'llama'");
  EXPECT_EQ(errorOf(R"({"model_type":"gemma3","text_config":[]})"),
            "key 'text_config' must be an object, found an array");
}

// T5: transformers writes so what a Gemma 4 has of its own in full layers.
TEST(HfConfig, OverridesOfLayersOfGemma4) {
  constexpr llvm::StringLiteral kLayers =
      R"("hidden_size_per_layer_input":0,"num_hidden_layers":3,
         "num_key_value_heads":4,"head_dim":32,"attention_k_eq_v":true,
         "layer_types":["sliding_attention","full_attention",
         "sliding_attention"])";
  auto keys = [&](llvm::StringRef overrides) {
    return (kLayers +
            ",\"global_head_dim\":128,"
            "\"num_global_key_value_heads\":2,"
            "\"per_layer_config\":" +
            overrides)
        .str();
  };
  GemmaConfig c =
      read("gemma4_text", keys(R"({"2":{"head_dim":64,"num_key_value_heads":1},
                              "1":{"num_key_value_heads":1,"head_dim":64}})"));
  // The last is full, whatever its type.
  EXPECT_EQ(patternOf(c), "sff");
  EXPECT_EQ(c.layers[0].headDim, 32);
  EXPECT_EQ(c.layers[0].kvHeads, 4);
  for (int i : {1, 2}) {
    EXPECT_EQ(c.layers[i].headDim, 64);
    EXPECT_EQ(c.layers[i].kvHeads, 1);
    EXPECT_TRUE(c.layers[i].kEqV);
  }
  // The keys for all full layers count only where there is no list.
  c = read("gemma4_text", keys("{}"));
  EXPECT_EQ(c.layers[1].headDim, 32);
  EXPECT_EQ(c.layers[1].kvHeads, 4);
  c = read("gemma4_text", keys("null"));
  EXPECT_EQ(c.layers[1].headDim, 128);
  EXPECT_EQ(c.layers[1].kvHeads, 2);

  auto error = [&](llvm::StringRef overrides) {
    return errorOf("gemma4_text", keys(overrides));
  };
  EXPECT_EQ(error("[]"),
            "key 'per_layer_config' must be an object, found an array");
  EXPECT_EQ(error(R"({"1":3})"),
            "key 'per_layer_config.1' must be an object, found 3");
  EXPECT_EQ(error(R"({"1":{"head_dim":"64"}})"),
            "key 'per_layer_config.1.head_dim' must be an integer in 1 to "
            "1048576, found '64'");
  EXPECT_EQ(error(R"({"1":{"hidden_size":64}})"),
            "key 'per_layer_config.1' has 'hidden_size': expected head_dim and "
            "num_key_value_heads only");
  for (const char *name : {"3", "-1", "01", "full_attention", ""})
    EXPECT_EQ(error("{\"" + std::string(name) + "\":{}}"),
              "key 'per_layer_config' has '" + std::string(name) +
                  "', which is none of the 3 layers");
  EXPECT_EQ(error(R"({"1":{"head_dim":64}})"),
            "key 'per_layer_config' must give all full_attention layers the "
            "same head_dim and num_key_value_heads");
  EXPECT_EQ(error(R"({"0":{"num_key_value_heads":3}})"),
            "key 'num_attention_heads' is 8, and so many heads cannot share 3 "
            "key/value heads");
  EXPECT_EQ(errorOf("gemma3_text", R"("per_layer_config":{"0":{}})"),
            "key 'per_layer_config' is an object: layers of sizes of their own "
            "are not supported");
}

// T7
TEST(HfConfig, LayerTypesWinOverThePeriod) {
  GemmaConfig c = read("gemma3_text", R"("num_hidden_layers":3,
      "sliding_window_pattern":1,
      "layer_types":["full_attention","sliding_attention","full_attention"])");
  EXPECT_EQ(patternOf(c), "fsf");
  EXPECT_EQ(patternOf(read("gemma3_text", R"("num_hidden_layers":3,
      "_sliding_window_pattern":3)")),
            "ssf");
  // Without a layer that slides no window is asked for.
  EXPECT_EQ(read("gemma3_text", R"("num_hidden_layers":1,"sliding_window":null,
      "layer_types":["full_attention"])")
                .window,
            0);
}

TEST(HfConfig, LayerTypesThatAreWrong) {
  EXPECT_EQ(errorOf("gemma3_text", R"("num_hidden_layers":2,
      "layer_types":["full_attention"])"),
            "key 'layer_types' must be a list of 2 strings and not of 1, found "
            "an array");
  EXPECT_EQ(errorOf("gemma3_text", R"("num_hidden_layers":1,
      "layer_types":["chunked_attention"])"),
            "key 'layer_types' must hold sliding_attention and full_attention, "
            "found 'chunked_attention'");
  EXPECT_EQ(errorOf("gemma3_text", "\"layer_types\":\"full_attention\""),
            "key 'layer_types' must be a list of 26 strings, found "
            "'full_attention'");
  EXPECT_EQ(errorOf("gemma", R"("num_hidden_layers":1,
      "layer_types":["sliding_attention"])"),
            "key 'layer_types' must be full_attention throughout in a Gemma 1, "
            "found an array");
  EXPECT_EQ(errorOf("gemma2", "\"sliding_window\":null"),
            "key 'sliding_window' must be a number, as there are sliding "
            "layers, found null");
}

TEST(HfConfig, CapsThatAreNullAreNone) {
  GemmaConfig c = read("gemma2", R"("attn_logit_softcapping":null,
                                    "final_logit_softcapping":null)");
  EXPECT_EQ(c.attentionSoftcap, 0);
  EXPECT_EQ(c.finalSoftcap, 0);
  EXPECT_EQ(
      errorOf("gemma", "\"final_logit_softcapping\":30"),
      "key 'final_logit_softcapping' must be null in a Gemma 1, found 30");
  EXPECT_EQ(
      errorOf("gemma4_text", (kDense + ",\"attn_logit_softcapping\":50").str()),
      "key 'attn_logit_softcapping' must be null in a Gemma 4, found 50");
}

// T5
TEST(HfConfig, TheScaleIsOfTheHeadWhereItIsTheSame) {
  EXPECT_EQ(read("gemma2", "\"query_pre_attn_scalar\":256").attentionScale, 0);
  EXPECT_EQ(read("gemma2", "\"query_pre_attn_scalar\":144").attentionScale,
            static_cast<float>(1 / 12.0));
  // 256 is the default, also of heads of another size.
  EXPECT_EQ(read("gemma2", "\"head_dim\":128").attentionScale, 1 / 16.0f);
  EXPECT_EQ(errorOf("gemma", "\"query_pre_attn_scalar\":64"),
            "key 'query_pre_attn_scalar' must be absent in a Gemma 1, found "
            "64");
  EXPECT_EQ(
      errorOf("gemma4_text", (kDense + ",\"query_pre_attn_scalar\":64").str()),
      "key 'query_pre_attn_scalar' must be absent in a Gemma 4, found "
      "64");
}

// T5, T11
TEST(HfConfig, Rotations) {
  // In the new style of one object, and of two.
  EXPECT_EQ(read("gemma", R"("rope_parameters":{"rope_type":"default",
                              "rope_theta":5e3})")
                .ropeFull.theta,
            5e3f);
  EXPECT_EQ(read("gemma2", "\"rope_theta\":5e3").ropeSliding.theta, 5e3f);
  GemmaConfig c = read("gemma3_text", R"("rope_parameters":{
      "full_attention":{"rope_type":"linear","factor":8,"rope_theta":2e6},
      "sliding_attention":{"rope_type":"default","rope_theta":2e4}})");
  EXPECT_EQ(c.ropeFull.theta, 2e6f);
  EXPECT_EQ(c.ropeFull.factor, 8);
  EXPECT_EQ(c.ropeSliding.theta, 2e4f);
  EXPECT_EQ(c.ropeSliding.factor, 1);
  auto scaling = [](llvm::StringRef keys) {
    return errorOf("gemma3_text", ("\"rope_scaling\":{" + keys + "}").str());
  };
  EXPECT_EQ(scaling(R"("type":"linear","factor":8)"), "no error");
  EXPECT_EQ(scaling(R"("rope_type":"yarn","factor":8)"),
            "key 'rope_scaling.rope_type' must be 'default', 'linear' or "
            "'proportional', found 'yarn'");
  EXPECT_EQ(scaling(R"("type":"dynamic")"),
            "key 'rope_scaling.type' must be 'default', 'linear' or "
            "'proportional', found 'dynamic'");
  EXPECT_EQ(scaling(R"("rope_type":"linear")"),
            "key 'rope_scaling.factor' must be there for 'linear', found none");
  EXPECT_EQ(scaling(R"("rope_type":"linear","factor":0)"),
            "key 'rope_scaling.factor' must be a finite number above 0, found "
            "0");
  EXPECT_EQ(scaling(R"("rope_type":"default","partial_rotary_factor":0.5)"),
            "key 'rope_scaling.partial_rotary_factor' must be 1 for the "
            "rope_type 'default', found 0.5");
  EXPECT_EQ(scaling(R"("rope_type":"proportional","partial_rotary_factor":2)"),
            "key 'rope_scaling.partial_rotary_factor' must be at most 1, found "
            "2");
  EXPECT_EQ(
      scaling(R"("rope_type":"proportional","partial_rotary_factor":0.001)"),
      "key 'rope_scaling.partial_rotary_factor' must be enough for one pair of "
      "the 128 of a head, found 0.001");
  EXPECT_EQ(errorOf("gemma3_text", "\"rope_scaling\":8"),
            "key 'rope_scaling' must be an object, found 8");
  EXPECT_EQ(
      errorOf("gemma3_text", "\"rope_scaling\":{},\"rope_parameters\":{}"),
      "key 'rope_scaling' must be null beside rope_parameters, found an "
      "object");
}

TEST(HfConfig, Activations) {
  EXPECT_EQ(errorOf("gemma", "\"hidden_act\":\"gelu\""), "no error");
  EXPECT_EQ(errorOf("gemma", R"("hidden_act":"gelu","hidden_activation":null)"),
            "no error");
  EXPECT_EQ(errorOf("gemma2", "\"hidden_act\":\"gelu\""),
            "key 'hidden_act' must be 'gelu_pytorch_tanh', found 'gelu'");
  EXPECT_EQ(errorOf("gemma3_text", "\"hidden_activation\":\"silu\""),
            "key 'hidden_activation' must be 'gelu_pytorch_tanh', found "
            "'silu'");
  EXPECT_EQ(errorOf("gemma3_text", "\"hidden_activation\":1"),
            "key 'hidden_activation' must be a string, found 1");
}

TEST(HfConfig, LayersOfAFourthGemmaHaveFromOthersAndFromTokens) {
  // A file without the key has them, as the class does.
  EXPECT_EQ(read("gemma4_text", "").perLayer, 256);
  EXPECT_EQ(read("gemma4_text", kDense).perLayer, 0);
  std::string six = kDense.str() + ",\"num_hidden_layers\":7,"
                                   "\"layer_types\":[\"sliding_attention\","
                                   "\"full_attention\",\"sliding_attention\","
                                   "\"full_attention\",\"sliding_attention\","
                                   "\"full_attention\",\"sliding_attention\"],"
                                   "\"intermediate_size\":96";
  GemmaConfig config =
      read("gemma4_text", six + ",\"num_kv_shared_layers\":3,"
                                "\"use_double_wide_mlp\":true");
  for (auto [i, layer] : llvm::enumerate(config.layers)) {
    // The last is full, whatever its type.
    int64_t source = i < 4 ? -1 : i == 4 ? 2 : 3;
    EXPECT_EQ(layer.source, source) << i;
    EXPECT_EQ(layer.ffn, i < 4 ? 96 : 192) << i;
  }
  EXPECT_EQ(errorOf("gemma4_text", six + ",\"num_kv_shared_layers\":6"),
            "key 'num_kv_shared_layers' is 6, but no layer before has keys and "
            "values for layer 1");
  EXPECT_EQ(errorOf("gemma4_text", six + ",\"num_kv_shared_layers\":8"),
            "key 'num_kv_shared_layers' must be an integer in 0 to 7, found 8");
  EXPECT_EQ(errorOf("gemma4_text", "\"vocab_size\":300,"
                                   "\"vocab_size_per_layer_input\":200"),
            "key 'vocab_size_per_layer_input' must be 300, the vocab_size, "
            "found 200");
}

TEST(HfConfig, ExpertsOfAFourthGemma) {
  std::string numbers = kDense.str() + ",\"num_experts\":16,"
                                       "\"top_k_experts\":3,"
                                       "\"moe_intermediate_size\":48";
  // Numbers alone do not make them.
  EXPECT_EQ(read("gemma4_text", numbers).experts.count, 0);
  std::string all = numbers + ",\"enable_moe_block\":true";
  GemmaExperts experts = read("gemma4_text", all).experts;
  EXPECT_EQ(experts.count, 16);
  EXPECT_EQ(experts.used, 3);
  EXPECT_EQ(experts.width, 48);
  EXPECT_EQ(errorOf("gemma4_text", kDense.str() + ",\"enable_moe_block\":true,"
                                                  "\"num_experts\":null"),
            "key 'num_experts' must be there, as there are experts, found "
            "null");
  EXPECT_EQ(errorOf("gemma4_text", kDense.str() + ",\"enable_moe_block\":true,"
                                                  "\"num_experts\":4,"
                                                  "\"top_k_experts\":5"),
            "key 'top_k_experts' must be an integer in 1 to 4, found 5");
}

TEST(HfConfig, WhatHasNoRecipe) {
  for (auto [key, what] :
       {std::pair("\"enable_moe_block\":true", "experts"),
        {"\"num_experts\":128", "experts"},
        {"\"attention_bias\":true", "biases of projections"}}) {
    EXPECT_THAT(errorOf("gemma3_text", key),
                testing::AllOf(StartsWith("key '"), testing::HasSubstr(what),
                               testing::EndsWith(" are not supported")));
  }
  EXPECT_EQ(errorOf("gemma3_text", "\"num_kv_shared_layers\":2"),
            "key 'num_kv_shared_layers' is 2: layers that share keys and "
            "values are not supported");
  EXPECT_EQ(errorOf("gemma3_text", "\"hidden_size_per_layer_input\":256"),
            "key 'hidden_size_per_layer_input' is 256: embeddings of layers "
            "are not supported");
  EXPECT_EQ(errorOf("gemma2", "\"quantization_config\":{\"bits\":4}"),
            "key 'quantization_config' is an object: quantised checkpoints are "
            "not supported");
  EXPECT_EQ(errorOf("gemma3_text", "\"use_bidirectional_attention\":true"),
            "key 'use_bidirectional_attention' must be a string, found true");
  EXPECT_EQ(errorOf("gemma3_text", "\"use_bidirectional_attention\":\"all\""),
            "key 'use_bidirectional_attention' must be null, false or "
            "'vision', found 'all'");
  for (llvm::StringRef value : {"null", "false", "\"vision\""})
    EXPECT_EQ(errorOf("gemma3_text",
                      ("\"use_bidirectional_attention\":" + value).str()),
              "no error");
}

TEST(HfConfig, OtherModels) {
  EXPECT_THAT(errorOf("llama", ""),
              StartsWith("key 'model_type' is 'llama', which is not supported, "
                         "expected 'gemma'"));
  EXPECT_THAT(errorOf("gemma3n", ""), StartsWith("key 'model_type' is "));
  EXPECT_EQ(errorOf("{}"), "key 'model_type' is missing");
  EXPECT_EQ(errorOf("{\"model_type\":3}"),
            "key 'model_type' must be a string, found 3");
  EXPECT_EQ(errorOf("[]"), "must hold a JSON object, found an array");
  EXPECT_THAT(errorOf("{\"a\":nan}"), StartsWith("is no JSON: "));
  EXPECT_EQ(errorOf(R"({"model_type":"gemma","model_type":"gemma2"})"),
            "gives 'model_type' twice");
}

TEST(HfConfig, ImpossibleNumbers) {
  for (llvm::StringRef key :
       {"hidden_size", "num_hidden_layers", "intermediate_size",
        "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size",
        "max_position_embeddings", "sliding_window", "sliding_window_pattern"})
    for (llvm::StringRef value :
         {"0", "-1", "1.5", "\"8\"", "[8]", "true", "1e300", "1073741824"})
      EXPECT_THAT(
          errorOf("gemma3_text", ("\"" + key + "\":" + value).str()),
          StartsWith(("key '" + key + "' must be an integer in 1 to ").str()))
          << value.str();
  for (llvm::StringRef key :
       {"rms_norm_eps", "rope_theta", "rope_local_base_freq",
        "query_pre_attn_scalar", "attn_logit_softcapping",
        "final_logit_softcapping"})
    for (llvm::StringRef value :
         {"0", "-1", "\"8\"", "[]", "1e300", "1e-300", "1e999"})
      EXPECT_THAT(
          errorOf("gemma3_text", ("\"" + key + "\":" + value).str()),
          StartsWith(
              ("key '" + key + "' must be a finite number above 0").str()))
          << value.str();
  EXPECT_EQ(errorOf("gemma2", "\"num_key_value_heads\":3"),
            "key 'num_attention_heads' is 8, and so many heads cannot share 3 "
            "key/value heads");
  EXPECT_EQ(errorOf("gemma2", "\"head_dim\":33"),
            "a head of 33 cannot be rotated in pairs");
}

TEST(HfConfig, SpecialTokens) {
  EXPECT_EQ(errorOf("gemma", "\"eos_token_id\":\"<eos>\""),
            "key 'eos_token_id' must be an id of a token or a list of them, "
            "found '<eos>'");
  EXPECT_EQ(errorOf("gemma", "\"bos_token_id\":[2,3]"),
            "key 'bos_token_id' must be the id of one token, found an array");
  EXPECT_EQ(read(with("gemma", "\"bos_token_id\":null")).bos, -1);
  EXPECT_THAT(read(with("gemma", "\"eos_token_id\":null")).eos, ElementsAre());
}

TEST(HfConfig, StorageOfWeights) {
  auto storageOf = [](llvm::StringRef keys) {
    return read(with("gemma2", keys)).storage;
  };
  EXPECT_EQ(storageOf(""), ggml::Type::BF16);
  EXPECT_EQ(storageOf("\"torch_dtype\":null"), ggml::Type::BF16);
  EXPECT_EQ(storageOf("\"torch_dtype\":\"bfloat16\""), ggml::Type::BF16);
  EXPECT_EQ(storageOf("\"torch_dtype\":\"float16\""), ggml::Type::F16);
  EXPECT_EQ(storageOf("\"dtype\":\"float32\""), ggml::Type::F32);
  // The text decoder's own goes before the whole model's.
  EXPECT_EQ(read(R"({"model_type":"gemma3","torch_dtype":"float16",
                     "text_config":{"dtype":"float32"}})")
                .storage,
            ggml::Type::F32);
  EXPECT_EQ(read(R"({"model_type":"gemma3","torch_dtype":"float16",
                     "text_config":{}})")
                .storage,
            ggml::Type::F16);
  EXPECT_EQ(errorOf("gemma2", "\"torch_dtype\":\"float8_e4m3fn\""),
            "key 'torch_dtype' must be 'bfloat16', 'float16' or 'float32', "
            "found 'float8_e4m3fn'");
  EXPECT_EQ(errorOf("gemma2", "\"dtype\":16"),
            "key 'dtype' must be a string, found 16");
}
