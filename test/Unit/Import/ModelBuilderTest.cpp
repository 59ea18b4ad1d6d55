// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Recipes say what the file says.

#include "TestModels.h"

#include "flow/Builders/FamilyPresets.h"
#include "flow/Import/ModelBuilder.h"

#include "mlir/IR/MLIRContext.h"

#include <cmath>

using namespace flow;

namespace {

/// The recipe of a file that must be right, with what it lives in.
class Recipe {
public:
  explicit Recipe(const TestGguf &gguf) {
    file = mustOpen(gguf);
    if (!file)
      return;
    GemmaConfig config = llvm::cantFail(readGemmaConfig(*file));
    llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> built =
        buildRecipe(context, config, *file);
    if (built)
      module = std::move(*built);
    else
      ADD_FAILURE() << llvm::toString(built.takeError());
  }

  ModelOp model() { return *module->getOps<ModelOp>().begin(); }
  LayerOp layer(int64_t index) {
    return model().lookupSymbol<LayerOp>("layer" + std::to_string(index));
  }

private:
  mlir::MLIRContext context;
  std::unique_ptr<GgufReader> file;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace

TEST(ModelBuilder, ModelAndItsLayers) {
  Recipe recipe(gemma3File());
  ModelOp model = recipe.model();
  HyperAttr hyper = model.getHyper();
  EXPECT_EQ(hyper.getHidden(), 64);
  EXPECT_EQ(hyper.getVocab(), 40);
  EXPECT_EQ(hyper.getPositions(), 256);
  // What was written as 1e-6f is the decimal 1e-6 and not its f32.
  EXPECT_EQ(hyper.getEps().convertToDouble(), 1e-6);
  EXPECT_EQ(llvm::range_size(model.getOps<LayerOp>()), 7);
  EXPECT_EQ(llvm::range_size(model.getOps<KvCacheOp>()), 7);
  EXPECT_FALSE(model.lookupSymbol<WeightOp>("head"));
}

// T7
TEST(ModelBuilder, EveryLayerHasItsMaskTableAndCache) {
  Recipe recipe(gemma3File());
  for (int64_t i = 0; i != 7; ++i) {
    LayerOp layer = recipe.layer(i);
    ASSERT_TRUE(layer) << i;
    EXPECT_EQ(layer.getMask().getWindow(), i == 5 ? 0 : 16) << i;
    EXPECT_EQ(layer.getRope(), i == 5 ? "rope_global" : "rope_local") << i;
    EXPECT_EQ(*layer.getCache(), "kv" + std::to_string(i));
    EXPECT_EQ(layer.getNorms(), NormPlacement::Sandwich);
    EXPECT_TRUE(layer.getAttention().getQkNorm());
    EXPECT_EQ(layer.getAttention().getHeads(), 4);
    EXPECT_EQ(layer.getAttention().getKvHeads(), 2);
    EXPECT_EQ(layer.getAttention().getHeadDim(), 32);
  }
}

TEST(ModelBuilder, TheFirstGemmaNormsBeforeItsBranchesOnly) {
  Recipe recipe(gemmaFile("gemma"));
  LayerOp layer = recipe.layer(3);
  EXPECT_EQ(layer.getNorms(), NormPlacement::Pre);
  EXPECT_FALSE(layer.getAttention().getQkNorm());
  EXPECT_EQ(layer.getMask().getWindow(), 0);
  EXPECT_EQ(llvm::range_size(layer.getOps<WeightOp>()), 9);
}

// T4, T7
TEST(ModelBuilder, TheSecondGemmaCapsItsScores) {
  Recipe recipe(gemmaFile("gemma2"));
  EXPECT_EQ(recipe.model().getHyper().getFinalSoftcap().convertToDouble(), 30);
  for (int64_t i = 0; i != 7; ++i) {
    LayerOp layer = recipe.layer(i);
    EXPECT_EQ(layer.getNorms(), NormPlacement::Sandwich);
    EXPECT_EQ(layer.getAttention().getSoftcap().convertToDouble(), 50);
    EXPECT_EQ(layer.getMask().getWindow(), i % 2 == 0 ? 16 : 0) << i;
    EXPECT_EQ(llvm::range_size(layer.getOps<WeightOp>()), 11);
  }
}

// T4: what a file says of its layers is what the preset of its family says.
TEST(ModelBuilder, LayersAreThoseOfThePresets) {
  GemmaSizes sizes;
  sizes.hidden = 64;
  sizes.vocab = 40;
  sizes.positions = 256;
  sizes.layers = 7;
  sizes.heads = 4;
  sizes.kvHeads = 2;
  sizes.headDim = 32;
  sizes.width = 96;
  auto compare = [&](Recipe &recipe, GemmaFamily family) {
    for (int64_t i = 0; i != sizes.layers; ++i) {
      LayerOp layer = recipe.layer(i);
      LayerRecipe preset =
          llvm::cantFail(getLayerPreset(*layer.getContext(), family, sizes, i));
      EXPECT_EQ(layer.getNorms(), preset.norms);
      EXPECT_EQ(layer.getAttention(), preset.attention) << i;
      EXPECT_EQ(layer.getMask(), preset.mask) << i;
      EXPECT_EQ(layer.getRope(), preset.rope) << i;
      EXPECT_EQ(layer.getShared(), preset.source >= 0) << i;
      EXPECT_EQ(layer.getLayerScalar(), preset.layerScalar) << i;
    }
  };
  Recipe first(gemmaFile("gemma"));
  compare(first, GemmaFamily::Gemma1);
  sizes.window = 16;
  Recipe second(gemmaFile("gemma2"));
  compare(second, GemmaFamily::Gemma2);
  Recipe third(gemma3File());
  compare(third, GemmaFamily::Gemma3);
  sizes.fullHeadDim = 64;
  sizes.fullKvHeads = 1;
  sizes.kEqV = true;
  Recipe fourth(gemma4File());
  compare(fourth, GemmaFamily::Gemma4);
}

TEST(ModelBuilder, OneRopeTableWhereAllLayersRotateAlike) {
  for (const char *architecture : {"gemma", "gemma2"}) {
    Recipe recipe(gemmaFile(architecture));
    EXPECT_EQ(llvm::range_size(recipe.model().getOps<RopeTableOp>()), 1);
    EXPECT_EQ(recipe.layer(0).getRope(), "rope");
    EXPECT_EQ(recipe.layer(1).getRope(), "rope");
  }
}

TEST(ModelBuilder, TheFourthGemmaHasTwoKindsOfLayers) {
  Recipe recipe(gemma4File());
  for (int64_t i : {0, 5, 6}) {
    bool full = i != 0;
    LayerOp layer = recipe.layer(i);
    AttentionSpecAttr spec = layer.getAttention();
    EXPECT_EQ(spec.getHeadDim(), full ? 64 : 32) << i;
    EXPECT_EQ(spec.getKvHeads(), full ? 1 : 2) << i;
    EXPECT_EQ(spec.getKEqV(), full) << i;
    EXPECT_TRUE(spec.getVNorm()) << i;
    EXPECT_EQ(spec.getScale().convertToDouble(), 1) << i;
    EXPECT_EQ(layer.getFeedForward().getWidth(), i == 6 ? 192 : 96) << i;
    EXPECT_EQ(layer.getRope(), full ? "rope_global" : "rope_local") << i;
    EXPECT_TRUE(layer.getLayerScalar()) << i;
    auto scalar = layer.lookupSymbol<WeightOp>("layer_scalar");
    ASSERT_TRUE(scalar) << i;
    EXPECT_EQ(*scalar.getFrom(),
              "blk." + std::to_string(i) + ".layer_output_scale.weight");
  }
  auto global = recipe.model().lookupSymbol<RopeTableOp>("rope_global");
  EXPECT_EQ(global.getHeadDim(), 64u);
  EXPECT_EQ(global.getEffectivePairs(), 8);
  auto local = recipe.model().lookupSymbol<RopeTableOp>("rope_local");
  EXPECT_EQ(local.getHeadDim(), 32u);
  EXPECT_EQ(local.getEffectivePairs(), 16);
}

// T19
TEST(ModelBuilder, LayersShareCachesAndTheEmbeddingsOfLayers) {
  TestGguf gguf = gemma4File();
  gguf.u32("gemma4.attention.shared_kv_layers", 1)
      .u32("gemma4.embedding_length_per_layer_input", 16)
      .tensor("per_layer_token_embd.weight", {7 * 16, 40})
      .tensor("per_layer_model_proj.weight", {64, 7 * 16})
      .tensor("per_layer_proj_norm.weight", {16});
  for (int i = 0; i != 7; ++i) {
    std::string layer = "blk." + std::to_string(i) + ".";
    gguf.tensor(layer + "inp_gate.weight", {64, 16})
        .tensor(layer + "proj.weight", {16, 64})
        .tensor(layer + "post_norm.weight", {64});
  }
  Recipe recipe(gguf);
  EXPECT_EQ(llvm::range_size(recipe.model().getOps<KvCacheOp>()), 6);
  LayerOp layer = recipe.layer(6);
  EXPECT_TRUE(layer.getShared());
  EXPECT_EQ(*layer.getCache(), "kv5");
  EXPECT_EQ(*layer.getPerLayer(), 16u);
  EXPECT_FALSE(layer.lookupSymbol<WeightOp>("k"));
  auto tokens = layer.lookupSymbol<WeightOp>("per_layer_tokens");
  EXPECT_EQ(*tokens.getFrom(), "per_layer_token_embd.weight");
  EXPECT_EQ(*tokens.getPart(), llvm::ArrayRef<int64_t>({0, 96}));
  auto context = layer.lookupSymbol<WeightOp>("per_layer_context");
  EXPECT_EQ(*context.getFrom(), "per_layer_model_proj.weight");
  EXPECT_EQ(*context.getPart(), llvm::ArrayRef<int64_t>({96, 0}));
  EXPECT_FALSE(recipe.layer(5).getShared());
}

// T5, T11
TEST(ModelBuilder, RopeTablesAreOfTheirLayers) {
  TestGguf gguf = gemma3File();
  gguf.string("gemma3.rope.scaling.type", "linear")
      .f32("gemma3.rope.scaling.factor", 8);
  Recipe recipe(gguf);
  auto local = recipe.model().lookupSymbol<RopeTableOp>("rope_local");
  auto global = recipe.model().lookupSymbol<RopeTableOp>("rope_global");
  ASSERT_TRUE(local && global);
  EXPECT_EQ(local.getTheta().convertToDouble(), 1e4);
  EXPECT_EQ(local.getFactor().convertToDouble(), 1);
  EXPECT_EQ(global.getTheta().convertToDouble(), 1e6);
  EXPECT_EQ(global.getFactor().convertToDouble(), 8);
}

TEST(ModelBuilder, WeightsNameTheirTensorsAndStorage) {
  Recipe recipe(gemma3File());
  struct Expected {
    const char *symbol, *tensor;
    Storage storage;
    std::vector<int64_t> shape;
  };
  const Expected kWeights[] = {
      {"attention_norm", "blk.3.attn_norm.weight", Storage::F32, {64}},
      {"q", "blk.3.attn_q.weight", Storage::Q4_0, {128, 64}},
      {"k", "blk.3.attn_k.weight", Storage::Q4_0, {64, 64}},
      {"v", "blk.3.attn_v.weight", Storage::Q8_0, {64, 64}},
      {"q_norm", "blk.3.attn_q_norm.weight", Storage::F32, {32}},
      {"k_norm", "blk.3.attn_k_norm.weight", Storage::F32, {32}},
      {"o", "blk.3.attn_output.weight", Storage::Q4_0, {64, 128}},
      {"post_attention_norm",
       "blk.3.post_attention_norm.weight",
       Storage::F32,
       {64}},
      {"ffn_norm", "blk.3.ffn_norm.weight", Storage::F32, {64}},
      {"gate", "blk.3.ffn_gate.weight", Storage::Q5_0, {96, 64}},
      {"up", "blk.3.ffn_up.weight", Storage::Q5_0, {96, 64}},
      {"down", "blk.3.ffn_down.weight", Storage::Q4_1, {64, 96}},
      {"post_ffn_norm", "blk.3.post_ffw_norm.weight", Storage::F32, {64}},
  };
  LayerOp layer = recipe.layer(3);
  EXPECT_EQ(llvm::range_size(layer.getOps<WeightOp>()), 13);
  for (const Expected &expected : kWeights) {
    auto weight = layer.lookupSymbol<WeightOp>(expected.symbol);
    ASSERT_TRUE(weight) << expected.symbol;
    EXPECT_EQ(*weight.getFrom(), expected.tensor);
    EXPECT_EQ(weight.getStorage(), expected.storage) << expected.symbol;
    EXPECT_EQ(
        llvm::cast<mlir::RankedTensorType>(weight.getType()).getShape().vec(),
        expected.shape)
        << expected.symbol;
    // The converter has added the one already.
    EXPECT_FALSE(weight.getUnitOffset()) << expected.symbol;
  }
}

TEST(ModelBuilder, HeadOfItsOwn) {
  Recipe recipe(
      gemma3File().tensor("output.weight", {64, 40}, ggml::Type::Q8_0));
  auto head = recipe.model().lookupSymbol<WeightOp>("head");
  ASSERT_TRUE(head);
  EXPECT_EQ(*head.getFrom(), "output.weight");
}

TEST(ModelBuilder, ScaleIsWrittenWhereItIsSpecial) {
  Recipe usual(gemma3File());
  EXPECT_EQ(usual.layer(0).getAttention().getScale().convertToDouble(), 0);
  // As computed in f32, which holds it to one part in 2^24.
  EXPECT_NEAR(usual.layer(0).getAttention().getEffectiveScale(),
              1 / std::sqrt(32.0), 0x1p-24);
  TestModelSizes sizes;
  sizes.layers = 62;
  Recipe like27B(gemma3File(sizes));
  EXPECT_EQ(like27B.layer(0).getAttention().getEffectiveScale(), 0.25);
}
