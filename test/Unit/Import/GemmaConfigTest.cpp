// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Configurations: what a file leaves out, and what it must not say.

#include "TestModels.h"

#include "flow/Import/GemmaConfig.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

using namespace flow;
using testing::ElementsAre;

static GemmaConfig configOf(const TestGguf &gguf) {
  std::unique_ptr<GgufReader> file = mustOpen(gguf);
  if (!file)
    return {};
  llvm::Expected<GemmaConfig> config = readGemmaConfig(*file);
  if (config)
    return std::move(*config);
  ADD_FAILURE() << llvm::toString(config.takeError());
  return {};
}

/// By layer: whether it slides.
static std::vector<bool> slidingOf(const GemmaConfig &config) {
  std::vector<bool> sliding;
  for (const GemmaLayer &layer : config.layers)
    sliding.push_back(layer.sliding);
  return sliding;
}

static std::string configError(const TestGguf &gguf) {
  std::unique_ptr<GgufReader> file = mustOpen(gguf);
  return file ? messageOf(readGemmaConfig(*file), file->path()) : "unreadable";
}

TEST(GemmaConfig, NumbersOfTheFile) {
  GemmaConfig config = configOf(gemma3File());
  EXPECT_EQ(config.architecture, "gemma3");
  EXPECT_EQ(config.layers.size(), 7u);
  EXPECT_EQ(config.hidden, 64);
  EXPECT_EQ(config.heads, 4);
  for (const GemmaLayer &layer : config.layers) {
    EXPECT_EQ(layer.kvHeads, 2);
    EXPECT_EQ(layer.headDim, 32);
    EXPECT_EQ(layer.ffn, 96);
  }
  EXPECT_EQ(config.vocab, 40);
  EXPECT_EQ(config.context, 256);
  EXPECT_EQ(config.window, 16);
  EXPECT_EQ(config.eps, 1e-6f);
  EXPECT_EQ(config.ropeFull.theta, 1e6f);
  EXPECT_TRUE(config.qkNorm);
  EXPECT_TRUE(config.tiedHead);
}

TEST(GemmaConfig, DefaultsOfWhatFilesLeaveOut) {
  TestGguf gguf = gemma3File();
  gguf.remove("gemma3.rope.freq_base");
  gguf.remove("gemma3.attention.value_length");
  GemmaConfig config = configOf(gguf);
  EXPECT_EQ(config.ropeFull.theta, 1e6f);
  EXPECT_EQ(config.ropeSliding.theta, 1e4f);
  EXPECT_EQ(config.ropeFull.factor, 1);
  EXPECT_EQ(config.attentionSoftcap, 0);
  EXPECT_EQ(config.finalSoftcap, 0);
}

TEST(GemmaConfig, EverySixthLayerIsFull) {
  GemmaConfig config = configOf(gemma3File());
  EXPECT_THAT(slidingOf(config),
              ElementsAre(true, true, true, true, true, false, true));
}

// T7
TEST(GemmaConfig, PatternByPeriodOrByLayer) {
  constexpr char kPattern[] = "gemma3.attention.sliding_window_pattern";
  EXPECT_THAT(slidingOf(configOf(gemma3File().u32(kPattern, 3))),
              ElementsAre(true, true, false, true, true, false, true));
  EXPECT_THAT(slidingOf(configOf(gemma3File().u32(kPattern, 1))),
              ElementsAre(false, false, false, false, false, false, false));
  EXPECT_THAT(slidingOf(configOf(gemma3File().array<uint8_t>(
                  kPattern, BOOL, {0, 1, 1, 0, 1, 1, 0}))),
              ElementsAre(false, true, true, false, true, true, false));
  EXPECT_EQ(configError(gemma3File().u32(kPattern, 0)),
            "key 'gemma3.attention.sliding_window_pattern' must lie in 1 to "
            "512, found 0");
  EXPECT_EQ(
      configError(gemma3File().array<uint8_t>(kPattern, BOOL, {1, 0, 1})),
      "key 'gemma3.attention.sliding_window_pattern' has 3 entries, expected "
      "7, one for each layer");
}

// T5
TEST(GemmaConfig, ScaleIsOfTheHeadButFor27B) {
  EXPECT_EQ(configOf(gemma3File()).attentionScale, 0);
  // 62 layers are 27B, whose scale is of hidden / heads: 64 / 4.
  TestModelSizes sizes;
  sizes.layers = 62;
  EXPECT_EQ(configOf(gemma3File(sizes)).attentionScale, 0.25f);
  sizes.layers = 61;
  EXPECT_EQ(configOf(gemma3File(sizes)).attentionScale, 0);
}

TEST(GemmaConfig, RotaryScaling) {
  TestGguf linear = gemma3File();
  linear.string("gemma3.rope.scaling.type", "linear")
      .f32("gemma3.rope.scaling.factor", 8);
  EXPECT_EQ(configOf(linear).ropeFull.factor, 8);
  TestGguf none = gemma3File();
  none.string("gemma3.rope.scaling.type", "none")
      .f32("gemma3.rope.scaling.factor", 8);
  EXPECT_EQ(configOf(none).ropeFull.factor, 1);
  EXPECT_EQ(
      configError(gemma3File().string("gemma3.rope.scaling.type", "yarn")),
      "key 'gemma3.rope.scaling.type' must be linear or none, found 'yarn'");
  EXPECT_EQ(configOf(gemma3File().f32("gemma3.rope.freq_base_swa", 5e3f))
                .ropeSliding.theta,
            5e3f);
}

TEST(GemmaConfig, PartialRotationIsAnotherModel) {
  EXPECT_EQ(configError(gemma3File().u32("gemma3.rope.dimension_count", 16)),
            "key 'gemma3.rope.dimension_count' is 16, expected 32");
  configOf(gemma3File().u32("gemma3.rope.dimension_count", 32));
}

TEST(GemmaConfig, TheFirstGemmaHasNoWindowsAndNoFurtherNorms) {
  GemmaConfig config = configOf(gemmaFile("gemma"));
  EXPECT_EQ(config.window, 0);
  EXPECT_EQ(slidingOf(config), std::vector<bool>(7, false));
  EXPECT_FALSE(config.qkNorm);
  EXPECT_FALSE(config.postNorms);
  EXPECT_EQ(config.ropeFull.theta, 1e4f);
  EXPECT_EQ(config.ropeSliding.theta, 1e4f);
  EXPECT_EQ(config.attentionSoftcap, 0);
  EXPECT_EQ(config.finalSoftcap, 0);
  EXPECT_EQ(
      configError(gemmaFile("gemma").u32("gemma.attention.sliding_window", 16)),
      "key 'gemma.attention.sliding_window' gives a window, which no "
      "Gemma 1 has");
  EXPECT_EQ(configError(
                gemmaFile("gemma").tensor("blk.0.post_ffw_norm.weight", {64})),
            "tensor 'blk.0.post_ffw_norm.weight' has no place in a gemma "
            "model");
}

// T5, T7
TEST(GemmaConfig, TheSecondGemmaSlidesInEvenLayersAndCaps) {
  GemmaConfig config = configOf(gemmaFile("gemma2"));
  EXPECT_EQ(config.window, 16);
  EXPECT_THAT(slidingOf(config), testing::ElementsAre(true, false, true, false,
                                                      true, false, true));
  EXPECT_FALSE(config.qkNorm);
  EXPECT_TRUE(config.postNorms);
  EXPECT_EQ(config.attentionSoftcap, 50);
  EXPECT_EQ(config.finalSoftcap, 30);
  TestGguf stated = gemmaFile("gemma2");
  stated.f32("gemma2.attn_logit_softcapping", 5)
      .f32("gemma2.final_logit_softcapping", 8);
  EXPECT_EQ(configOf(stated).attentionSoftcap, 5);
  EXPECT_EQ(configOf(stated).finalSoftcap, 8);
}

TEST(GemmaConfig, TheSecond27BHasAScaleOfItsOwn) {
  TestModelSizes sizes;
  EXPECT_EQ(configOf(gemmaFile("gemma2", sizes)).attentionScale, 0);
  sizes.layers = 46;
  EXPECT_EQ(configOf(gemmaFile("gemma2", sizes)).attentionScale, 0.25f);
}

TEST(GemmaConfig, BeforeTheThirdAllLayersRotateAlike) {
  TestGguf gguf = gemmaFile("gemma2");
  gguf.remove("gemma2.rope.freq_base");
  gguf.f32("gemma2.rope.freq_base", 5e4f);
  EXPECT_EQ(configOf(gguf).ropeSliding.theta, 5e4f);
  gguf.string("gemma2.rope.scaling.type", "linear")
      .f32("gemma2.rope.scaling.factor", 8);
  EXPECT_EQ(configError(gguf),
            "key 'gemma2.rope.scaling.factor' scales angles by 8.000000, which "
            "no Gemma 2 does");
}

TEST(GemmaConfig, LayersOfTheFourthGemmaDiffer) {
  GemmaConfig config = configOf(gemma4File());
  ASSERT_EQ(config.layers.size(), 7u);
  for (auto [i, layer] : llvm::enumerate(config.layers)) {
    bool full = i == 5 || i == 6;
    EXPECT_EQ(layer.sliding, !full) << i;
    EXPECT_EQ(layer.headDim, full ? 64 : 32) << i;
    EXPECT_EQ(layer.kvHeads, full ? 1 : 2) << i;
    EXPECT_EQ(layer.kEqV, full) << i;
    EXPECT_EQ(layer.ffn, i == 6 ? 192 : 96) << i;
    EXPECT_TRUE(layer.scalar) << i;
  }
  EXPECT_EQ(config.attentionScale, 1);
  EXPECT_TRUE(config.qkNorm && config.vNorm && config.postNorms);
  EXPECT_EQ(config.ropeFull.theta, 1e6f);
  EXPECT_EQ(config.ropeSliding.theta, 1e4f);
  EXPECT_EQ(config.ropeFull.pairs, 8);
  EXPECT_EQ(config.ropeSliding.pairs, 0);
}

TEST(GemmaConfig, TheFourthGemmaListsTheLayersThatSlide) {
  TestGguf gguf = gemma4File();
  gguf.remove("gemma4.attention.sliding_window_pattern");
  EXPECT_EQ(configError(gguf), "key 'gemma4.attention.sliding_window_pattern' "
                               "must list the layers that slide");
}

TEST(GemmaConfig, DivisorsThatStopNoPairsAreNotUnderstood) {
  auto with = [](std::vector<float> divisors) {
    TestGguf gguf = gemma4File();
    gguf.remove("rope_freqs.weight");
    return gguf.floats("rope_freqs.weight", divisors);
  };
  std::vector<float> divisors(32, 1);
  EXPECT_EQ(configOf(with(divisors)).ropeFull.pairs, 0);
  divisors[31] = 2;
  EXPECT_EQ(configError(with(divisors)),
            "tensor 'rope_freqs.weight' holds 2.000000 at 31, expected numbers "
            "of 1 and then of 1e30");
  divisors[30] = divisors[31] = 1e30f;
  EXPECT_EQ(configOf(with(divisors)).ropeFull.pairs, 30);
  divisors[0] = 1e30f;
  EXPECT_THAT(configError(with(divisors)), testing::HasSubstr("at 0,"));
  EXPECT_EQ(configError(with(std::vector<float>(16, 1))),
            "tensor 'rope_freqs.weight' must be a vector of 32 F32");
}

/// The tensors of 8 experts beside the MLP of each layer; `fused`: gates and
/// the rest in one.
static TestGguf fileWithExperts(bool fused) {
  TestGguf gguf = gemma4File();
  gguf.u32("gemma4.expert_count", 8);
  gguf.u32("gemma4.expert_used_count", 2);
  gguf.u32("gemma4.expert_feed_forward_length", 16);
  for (int i = 0; i != 7; ++i) {
    std::string layer = "blk." + std::to_string(i) + ".";
    gguf.tensor(layer + "ffn_gate_inp.weight", {64, 8});
    gguf.tensor(layer + "ffn_gate_inp.scale", {64});
    gguf.tensor(layer + "ffn_down_exps.scale", {8});
    if (fused) {
      gguf.tensor(layer + "ffn_gate_up_exps.weight", {64, 32, 8});
    } else {
      gguf.tensor(layer + "ffn_gate_exps.weight", {64, 16, 8});
      gguf.tensor(layer + "ffn_up_exps.weight", {64, 16, 8});
    }
    gguf.tensor(layer + "ffn_down_exps.weight", {16, 64, 8});
    for (const char *norm :
         {"pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"})
      gguf.tensor(layer + norm + ".weight", {64});
  }
  return gguf;
}

TEST(GemmaConfig, ExpertsOfAFourthGemma) {
  EXPECT_EQ(configOf(gemma4File().u32("gemma4.expert_count", 0)).experts.count,
            0);
  for (bool fused : {false, true}) {
    GemmaConfig config = configOf(fileWithExperts(fused));
    EXPECT_EQ(config.experts.count, 8);
    EXPECT_EQ(config.experts.used, 2);
    EXPECT_EQ(config.experts.width, 16);
  }
}

TEST(GemmaConfig, ExpertsThatCannotBe) {
  // Each tensor of a layer is needed, and one for the other does not do.
  for (const char *tensor :
       {"ffn_gate_inp.weight", "ffn_gate_inp.scale", "ffn_down_exps.scale",
        "ffn_gate_up_exps.weight", "ffn_down_exps.weight",
        "pre_ffw_norm_2.weight", "post_ffw_norm_1.weight",
        "post_ffw_norm_2.weight"}) {
    TestGguf gguf = fileWithExperts(true);
    std::string name = std::string("blk.3.") + tensor;
    gguf.remove(name);
    EXPECT_THAT(configError(gguf),
                testing::StartsWith("tensor '" + name +
                                    "' is missing, expected shape "));
  }
  EXPECT_EQ(configError(fileWithExperts(true).tensor("blk.2.ffn_up_exps.weight",
                                                     {64, 16, 8})),
            "tensor 'blk.2.ffn_up_exps.weight' has no place in a gemma4 "
            "model");
  EXPECT_EQ(configError(gemma4File().u32("gemma4.expert_count", 8)),
            "key 'gemma4.expert_used_count' is missing");
  EXPECT_EQ(configError(gemma4File().u32("gemma4.expert_count", 513)),
            "key 'gemma4.expert_count' must lie in 0 to 512, found 513");
  TestGguf greedy = fileWithExperts(true);
  greedy.replace<uint32_t>("gemma4.expert_used_count", U32, 9);
  EXPECT_EQ(configError(greedy),
            "key 'gemma4.expert_used_count' must lie in 1 to 8, found 9");
}

// T19
TEST(GemmaConfig, TheLastLayersReadTheKeysOfTheLastOfTheirKind) {
  // Five sliding layers, then a full one, which the last can read.
  TestGguf gguf = gemma4File();
  gguf.u32("gemma4.attention.shared_kv_layers", 1);
  GemmaConfig config = configOf(gguf);
  for (int i = 0; i != 6; ++i)
    EXPECT_EQ(config.layers[i].source, -1) << i;
  EXPECT_EQ(config.layers[6].source, 5);
  EXPECT_FALSE(config.layers[6].kEqV);
  // What they have of their own is nobody's.
  gguf.remove("blk.6.attn_k.weight");
  configOf(gguf);
  EXPECT_EQ(
      configError(gemma4File().u32("gemma4.attention.shared_kv_layers", 2)),
      "key 'gemma4.attention.shared_kv_layers' is 2, but no layer before "
      "has keys and values for layer 5");
  EXPECT_EQ(
      configError(gemma4File().u32("gemma4.attention.shared_kv_layers", 8)),
      "key 'gemma4.attention.shared_kv_layers' must lie in 0 to 7, found 8");
  EXPECT_EQ(
      configError(gemma3File().u32("gemma3.attention.shared_kv_layers", 1)),
      "key 'gemma3.attention.shared_kv_layers' is 1, which no Gemma 3 has");
}

TEST(GemmaConfig, EmbeddingsOfLayers) {
  TestGguf gguf = gemma4File();
  gguf.u32("gemma4.embedding_length_per_layer_input", 16)
      .tensor("per_layer_token_embd.weight", {7 * 16, 40})
      .tensor("per_layer_model_proj.weight", {64, 7 * 16})
      .tensor("per_layer_proj_norm.weight", {16});
  EXPECT_THAT(configError(gguf),
              testing::StartsWith("21 tensors are not those of the "
                                  "configuration:\n  tensor "
                                  "'blk.0.inp_gate.weight' is missing, "
                                  "expected shape 16x64\n"));
  for (int i = 0; i != 7; ++i) {
    std::string layer = "blk." + std::to_string(i) + ".";
    gguf.tensor(layer + "inp_gate.weight", {64, 16})
        .tensor(layer + "proj.weight", {16, 64})
        .tensor(layer + "post_norm.weight", {64});
  }
  EXPECT_EQ(configOf(gguf).perLayer, 16);
}

TEST(GemmaConfig, AFourthGemmaMayLackValuesInFullLayersOnly) {
  TestGguf gguf = gemma4File();
  gguf.remove("blk.0.attn_v.weight");
  EXPECT_EQ(configError(gguf), "tensor 'blk.0.attn_v.weight' is missing, "
                               "expected shape 64x64");
}

TEST(GemmaConfig, OtherArchitectures) {
  for (const char *name : {"gemma3n", "gemma5", "llama", "a\nb"}) {
    TestGguf gguf = gemma3File();
    gguf.remove("general.architecture");
    gguf.string("general.architecture", name);
    std::string shown = name == std::string("a\nb") ? "a\\0Ab" : name;
    EXPECT_EQ(configError(gguf),
              "the architecture '" + shown +
                  "' is not supported, expected 'gemma', 'gemma2', "
                  "'gemma3' or 'gemma4'");
  }
  TestGguf gguf = gemma3File();
  gguf.remove("general.architecture");
  EXPECT_EQ(configError(gguf), "key 'general.architecture' is missing");
  gguf.u32("general.architecture", 3);
  EXPECT_EQ(configError(gguf), "key 'general.architecture' must be a string, "
                               "found a value of type u32");
}

TEST(GemmaConfig, EachNumberMustBeThere) {
  for (const char *name :
       {"block_count", "context_length", "embedding_length",
        "feed_forward_length", "attention.head_count",
        "attention.head_count_kv", "attention.key_length",
        "attention.sliding_window", "attention.layer_norm_rms_epsilon"}) {
    TestGguf gguf = gemma3File();
    std::string key = std::string("gemma3.") + name;
    gguf.remove(key);
    EXPECT_EQ(configError(gguf), "key '" + key + "' is missing");
  }
}

TEST(GemmaConfig, EachNumberMustBePositiveAndAnInteger) {
  for (const char *name :
       {"block_count", "context_length", "embedding_length",
        "feed_forward_length", "attention.head_count",
        "attention.head_count_kv", "attention.key_length",
        "attention.value_length", "attention.sliding_window"}) {
    std::string key = std::string("gemma3.") + name;
    TestGguf gguf = gemma3File();
    gguf.replace<uint32_t>(key, U32, 0);
    EXPECT_THAT(configError(gguf),
                testing::MatchesRegex("key '" + key +
                                      "' must lie in 1 to [0-9]+, found 0"));
    gguf.replace<int32_t>(key, I32, -4);
    EXPECT_THAT(configError(gguf),
                testing::MatchesRegex("key '" + key +
                                      "' must lie in 1 to [0-9]+, found -4"));
    gguf.replace<float>(key, F32, 4);
    EXPECT_EQ(configError(gguf), "key '" + key +
                                     "' must be an integer, found "
                                     "a value of type f32");
  }
}

TEST(GemmaConfig, TooManyLayers) {
  TestGguf gguf = gemma3File();
  gguf.replace<uint32_t>("gemma3.block_count", U32, 513);
  EXPECT_EQ(configError(gguf),
            "key 'gemma3.block_count' must lie in 1 to 512, found 513");
}

TEST(GemmaConfig, NumbersGivenByLayer) {
  TestGguf gguf = gemma3File();
  gguf.remove("gemma3.feed_forward_length");
  gguf.remove("gemma3.attention.head_count_kv");
  gguf.array<int32_t>("gemma3.feed_forward_length", I32,
                      std::vector<int32_t>(7, 96));
  gguf.array<int32_t>("gemma3.attention.head_count_kv", I32,
                      std::vector<int32_t>(7, 2));
  GemmaConfig config = configOf(gguf);
  for (const GemmaLayer &layer : config.layers) {
    EXPECT_EQ(layer.ffn, 96);
    EXPECT_EQ(layer.kvHeads, 2);
  }

  gguf.remove("gemma3.attention.head_count_kv");
  gguf.array<int32_t>("gemma3.attention.head_count_kv", I32,
                      {2, 2, 2, 1, 2, 2, 2});
  EXPECT_EQ(configError(gguf),
            "key 'gemma3.attention.head_count_kv' must hold the same number "
            "for each layer of a Gemma 3, found 2 and 1");
  gguf.remove("gemma3.attention.head_count_kv");
  gguf.array<int32_t>("gemma3.attention.head_count_kv", I32, {2, 2});
  EXPECT_EQ(configError(gguf), "key 'gemma3.attention.head_count_kv' has 2 "
                               "entries, expected 7, one for each layer");
}

TEST(GemmaConfig, FloatsMustBeFiniteAndPositive) {
  float infinity = std::numeric_limits<float>::infinity();
  for (const char *name : {"attention.layer_norm_rms_epsilon", "rope.freq_base",
                           "rope.freq_base_swa", "rope.scaling.factor",
                           "final_logit_softcapping", "attn_logit_softcapping"})
    for (float value : {0.0f, -1.0f, infinity, std::nanf("")}) {
      TestGguf gguf = gemma3File();
      std::string key = std::string("gemma3.") + name;
      gguf.replace(key, F32, value);
      EXPECT_THAT(configError(gguf),
                  testing::StartsWith("key '" + key +
                                      "' must be finite and positive, found "));
    }
}

TEST(GemmaConfig, HeadsMustFit) {
  TestModelSizes sizes;
  sizes.kvHeads = 3;
  EXPECT_EQ(configError(gemma3File(sizes)),
            "4 query heads cannot share 3 key/value heads");
  TestGguf gguf = gemma3File();
  gguf.replace<uint32_t>("gemma3.attention.key_length", U32, 31);
  gguf.replace<uint32_t>("gemma3.attention.value_length", U32, 31);
  EXPECT_EQ(configError(gguf), "a head of 31 cannot be rotated in pairs");
  gguf.replace<uint32_t>("gemma3.attention.value_length", U32, 64);
  EXPECT_EQ(configError(gguf),
            "keys of 31 and values of 64 differ, which no Gemma 3 has");
}

TEST(GemmaConfig, SplitModel) {
  EXPECT_EQ(configError(gemma3File().number<uint16_t>("split.count", U16, 3)),
            "is one of 3 files of a split model, expected a model in one file");
  configOf(gemma3File().number<uint16_t>("split.count", U16, 1));
}

TEST(GemmaConfig, VocabularyIsTheRowsOfTheEmbedding) {
  TestGguf gguf = gemma3File();
  configOf(gemma3File().u32("gemma3.vocab_size", 40));
  EXPECT_EQ(configError(gemma3File().u32("gemma3.vocab_size", 41)),
            "key 'gemma3.vocab_size' is 41, expected 40");
  gguf.remove("token_embd.weight");
  EXPECT_EQ(configError(gguf), "tensor 'token_embd.weight' is missing");
  gguf.tensor("token_embd.weight", {64});
  EXPECT_EQ(configError(gguf), "tensor 'token_embd.weight' must be a matrix "
                               "with a row for each token, found shape 64");
}

TEST(GemmaConfig, HeadOfItsOwn) {
  TestGguf gguf = gemma3File();
  gguf.tensor("output.weight", {64, 40}, ggml::Type::Q6_K);
  gguf.at("output.weight").ne = {256, 10};
  EXPECT_EQ(configError(gguf),
            "tensor 'output.weight' has shape 10x256, expected 40x64");
  gguf.remove("output.weight");
  gguf.tensor("output.weight", {64, 40}, ggml::Type::Q8_0);
  EXPECT_FALSE(configOf(gguf).tiedHead);
}

// T5
TEST(GemmaConfig, EachTensorMustBeThere) {
  TestGguf whole = gemma3File();
  for (const TestGguf::Tensor &tensor : whole.tensors) {
    TestGguf gguf = whole;
    gguf.remove(tensor.name);
    std::string shape;
    for (uint64_t dim : llvm::reverse(tensor.ne))
      shape += (shape.empty() ? "" : "x") + std::to_string(dim);
    bool isCounted = tensor.name == "token_embd.weight";
    EXPECT_EQ(configError(gguf),
              "tensor '" + tensor.name + "' is missing" +
                  (isCounted ? "" : ", expected shape " + shape));
  }
}

// T5
TEST(GemmaConfig, EachTensorMustHaveItsShape) {
  TestGguf whole = gemma3File();
  for (const TestGguf::Tensor &tensor : whole.tensors) {
    TestGguf gguf = whole;
    // The contiguous dimension is halved; that of blocks stays whole.
    uint64_t columns = tensor.ne.front();
    gguf.at(tensor.name).ne.front() = columns == 96 ? 64 : columns / 2;
    EXPECT_THAT(configError(gguf),
                testing::MatchesRegex("tensor '" + tensor.name +
                                      "' has shape [0-9x]+, expected [0-9x]+"));
  }
}

TEST(GemmaConfig, TransposedMatrix) {
  TestGguf gguf = gemma3File();
  std::swap(gguf.at("blk.3.ffn_gate.weight").ne[0],
            gguf.at("blk.3.ffn_gate.weight").ne[1]);
  EXPECT_EQ(configError(gguf), "tensor 'blk.3.ffn_gate.weight' has shape "
                               "64x96, expected 96x64");
}

// T5
TEST(GemmaConfig, SurplusTensor) {
  EXPECT_EQ(configError(gemma3File().tensor("blk.7.attn_norm.weight", {64})),
            "tensor 'blk.7.attn_norm.weight' has no place in a gemma3 model");
  EXPECT_EQ(configError(gemma3File().tensor("blk.0.attn_q.bias", {128})),
            "tensor 'blk.0.attn_q.bias' has no place in a gemma3 model");
}

// T5: all that is wrong is named at once, each with what is expected.
TEST(GemmaConfig, AllTensorsThatAreWrong) {
  TestGguf gguf = gemma3File();
  gguf.remove("blk.1.attn_q.weight");
  gguf.at("blk.2.ffn_down.weight").ne = {64, 96};
  gguf.remove("blk.4.ffn_norm.weight");
  gguf.tensor("blk.4.ffn_norm.weight", {64}, ggml::Type::Q8_0);
  gguf.tensor("blk.5.ffn_gate_inp.weight", {64, 8});
  EXPECT_EQ(configError(gguf),
            "4 tensors are not those of the configuration:\n"
            "  tensor 'blk.1.attn_q.weight' is missing, expected shape "
            "128x64\n"
            "  tensor 'blk.2.ffn_down.weight' has shape 96x64, expected "
            "64x96\n"
            "  tensor 'blk.4.ffn_norm.weight' is a norm stored as Q8_0, "
            "expected F32, F16 or BF16\n"
            "  tensor 'blk.5.ffn_gate_inp.weight' has no place in a gemma3 "
            "model");
}

TEST(GemmaConfig, TensorsThatAreWrongAreListedUpToABound) {
  TestGguf gguf = gemma3File();
  for (int i = 0; i != 20; ++i)
    gguf.tensor("surplus." + std::to_string(i), {8});
  std::string error = configError(gguf);
  EXPECT_THAT(error, testing::StartsWith("20 tensors are not those"));
  EXPECT_THAT(error, testing::EndsWith("'surplus.19' has no place in a gemma3 "
                                       "model"));
  for (int i = 20; i != 300; ++i)
    gguf.tensor("surplus." + std::to_string(i), {8});
  error = configError(gguf);
  EXPECT_THAT(error, testing::StartsWith("300 tensors are not those"));
  EXPECT_THAT(error, testing::EndsWith("'surplus.19' has no place in a gemma3 "
                                       "model\n  and 280 more"));
}

TEST(GemmaConfig, TypesThatCannotBeComputedWith) {
  // Every type of the table but those that decode, MXFP4 and NVFP4 among them.
  TestModelSizes sizes;
  sizes.hidden = 256;
  int refused = 0;
  for (uint32_t id = 0; id != 64; ++id) {
    auto type = static_cast<ggml::Type>(id);
    if (!ggml::typeInfo(id) || ggml::isDecodable(type))
      continue;
    ++refused;
    TestGguf gguf = gemma3File(sizes);
    gguf.remove("blk.2.ffn_up.weight");
    gguf.tensor("blk.2.ffn_up.weight", {256, 96}, type);
    EXPECT_EQ(configError(gguf), "tensor 'blk.2.ffn_up.weight' is stored as " +
                                     std::string(ggml::typeName(type)) +
                                     ", which cannot be computed with");
  }
  EXPECT_GE(refused, 18);
  TestGguf norm = gemma3File();
  norm.remove("blk.2.ffn_norm.weight");
  norm.tensor("blk.2.ffn_norm.weight", {64}, ggml::Type::Q8_0);
  EXPECT_EQ(configError(norm), "tensor 'blk.2.ffn_norm.weight' is a norm "
                               "stored as Q8_0, expected F32, F16 or BF16");
  for (ggml::Type type : {ggml::Type::F16, ggml::Type::BF16}) {
    TestGguf half = gemma3File();
    half.remove("blk.2.ffn_norm.weight");
    half.tensor("blk.2.ffn_norm.weight", {64}, type);
    configOf(half);
  }
}
