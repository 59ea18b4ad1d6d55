// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The layers of each family, as they would be written by hand.

#include "TestSizes.h"

#include "mlir/IR/AsmState.h"

using namespace flow;
using namespace mlir;

namespace {

std::string textOfOp(Operation *op) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  op->print(stream, OpPrintingFlags().useLocalScope());
  return text;
}

/// The layer `index` of a family, and the layer of the text, both printed.
std::pair<std::string, std::string> bothTexts(GemmaFamily family,
                                              const GemmaSizes &sizes,
                                              int64_t index,
                                              const std::string &text) {
  TestContext test;
  auto module = makeModule(test, family, sizes);
  std::string name = "layer" + std::to_string(index);
  auto preset = modelOf(*module).lookupSymbol<LayerOp>(name);
  if (!preset)
    return {"", text};
  // The text takes the layer's place, and must verify there.
  std::string printed = textOfOp(preset);
  preset->erase();
  std::string whole = textOf(*module);
  size_t end = whole.rfind('}', whole.rfind('}') - 1);
  auto withText = parseModule(test, whole.substr(0, end) + text + "}\n}\n");
  if (!withText)
    return {printed, text};
  return {printed, textOfOp(modelOf(*withText).lookupSymbol<LayerOp>(name))};
}

} // namespace

// T3
TEST(FamilyPresets, FirstNormsBeforeItsBranchesOnly) {
  auto [preset, text] = bothTexts(GemmaFamily::Gemma1, smallSizes(1), 0, R"mlir(
flow.layer @layer0 norms pre
    attention <heads = 2, kv_heads = 1, head_dim = 32>
    mask <causal> rope @rope cache @kv0
    feed_forward <width = 128> {
  flow.weight @attention_norm : tensor<64xf32>
  flow.weight @q : tensor<64x64xf32> storage q8_0
  flow.weight @k : tensor<32x64xf32> storage q8_0
  flow.weight @v : tensor<32x64xf32> storage q8_0
  flow.weight @o : tensor<64x64xf32> storage q8_0
  flow.weight @ffn_norm : tensor<64xf32>
  flow.weight @gate : tensor<128x64xf32> storage q8_0
  flow.weight @up : tensor<128x64xf32> storage q8_0
  flow.weight @down : tensor<64x128xf32> storage q8_0
}
)mlir");
  EXPECT_EQ(preset, text);
}

// T3
TEST(FamilyPresets, SecondCapsScoresAndSlides) {
  auto [preset, text] =
      bothTexts(GemmaFamily::Gemma2, slidingSizes(2), 0, R"mlir(
flow.layer @layer0 norms sandwich
    attention <heads = 2, kv_heads = 1, head_dim = 32, softcap = 5.0e+01>
    mask <causal, window = 16> rope @rope cache @kv0
    feed_forward <width = 128> {
  flow.weight @attention_norm : tensor<64xf32>
  flow.weight @q : tensor<64x64xf32> storage q8_0
  flow.weight @k : tensor<32x64xf32> storage q8_0
  flow.weight @v : tensor<32x64xf32> storage q8_0
  flow.weight @o : tensor<64x64xf32> storage q8_0
  flow.weight @post_attention_norm : tensor<64xf32>
  flow.weight @ffn_norm : tensor<64xf32>
  flow.weight @gate : tensor<128x64xf32> storage q8_0
  flow.weight @up : tensor<128x64xf32> storage q8_0
  flow.weight @down : tensor<64x128xf32> storage q8_0
  flow.weight @post_ffn_norm : tensor<64xf32>
}
)mlir");
  EXPECT_EQ(preset, text);
}

// T3
TEST(FamilyPresets, ThirdNormsQueriesAndKeys) {
  auto [preset, text] =
      bothTexts(GemmaFamily::Gemma3, slidingSizes(6), 5, R"mlir(
flow.layer @layer5 norms sandwich
    attention <heads = 2, kv_heads = 1, head_dim = 32, qk_norm = true>
    mask <causal> rope @rope_global cache @kv5
    feed_forward <width = 128> {
  flow.weight @attention_norm : tensor<64xf32>
  flow.weight @q : tensor<64x64xf32> storage q8_0
  flow.weight @k : tensor<32x64xf32> storage q8_0
  flow.weight @v : tensor<32x64xf32> storage q8_0
  flow.weight @q_norm : tensor<32xf32>
  flow.weight @k_norm : tensor<32xf32>
  flow.weight @o : tensor<64x64xf32> storage q8_0
  flow.weight @post_attention_norm : tensor<64xf32>
  flow.weight @ffn_norm : tensor<64xf32>
  flow.weight @gate : tensor<128x64xf32> storage q8_0
  flow.weight @up : tensor<128x64xf32> storage q8_0
  flow.weight @down : tensor<64x128xf32> storage q8_0
  flow.weight @post_ffn_norm : tensor<64xf32>
}
)mlir");
  EXPECT_EQ(preset, text);
}

// T3
TEST(FamilyPresets, FourthHasOtherFullLayers) {
  auto [preset, text] =
      bothTexts(GemmaFamily::Gemma4, denseFourthSizes(), 1, R"mlir(
flow.layer @layer1 norms sandwich
    attention <heads = 4, kv_heads = 1, head_dim = 64, scale = 1.0,
               qk_norm = true, v_norm = true, k_eq_v = true>
    mask <causal> rope @rope_global cache @kv1
    feed_forward <width = 128> layer_scalar {
  flow.weight @attention_norm : tensor<64xf32>
  flow.weight @q : tensor<256x64xf32> storage q8_0
  flow.weight @k : tensor<64x64xf32> storage q8_0
  flow.weight @q_norm : tensor<64xf32>
  flow.weight @k_norm : tensor<64xf32>
  flow.weight @o : tensor<64x256xf32> storage q8_0
  flow.weight @post_attention_norm : tensor<64xf32>
  flow.weight @ffn_norm : tensor<64xf32>
  flow.weight @gate : tensor<128x64xf32> storage q8_0
  flow.weight @up : tensor<128x64xf32> storage q8_0
  flow.weight @down : tensor<64x128xf32> storage q8_0
  flow.weight @post_ffn_norm : tensor<64xf32>
  flow.weight @layer_scalar : tensor<1xf32>
}
)mlir");
  EXPECT_EQ(preset, text);
}

// T3
TEST(FamilyPresets, FourthSharesAndHearsOfTokens) {
  auto [preset, text] =
      bothTexts(GemmaFamily::Gemma4, sharingFourthSizes(), 3, R"mlir(
flow.layer @layer3 norms sandwich
    attention <heads = 2, kv_heads = 1, head_dim = 64, scale = 1.0,
               qk_norm = true, v_norm = true>
    mask <causal> rope @rope_global cache @kv1 shared
    feed_forward <width = 256> per_layer 32 layer_scalar {
  flow.weight @attention_norm : tensor<64xf32>
  flow.weight @q : tensor<128x64xf32> storage q8_0
  flow.weight @q_norm : tensor<64xf32>
  flow.weight @o : tensor<64x128xf32> storage q8_0
  flow.weight @post_attention_norm : tensor<64xf32>
  flow.weight @ffn_norm : tensor<64xf32>
  flow.weight @gate : tensor<256x64xf32> storage q8_0
  flow.weight @up : tensor<256x64xf32> storage q8_0
  flow.weight @down : tensor<64x256xf32> storage q8_0
  flow.weight @post_ffn_norm : tensor<64xf32>
  flow.weight @per_layer_tokens : tensor<512x32xf32> storage q8_0
  flow.weight @per_layer_context : tensor<32x64xf32> storage q8_0
  flow.weight @per_layer_context_norm : tensor<32xf32>
  flow.weight @per_layer_gate : tensor<32x64xf32> storage q8_0
  flow.weight @per_layer_output : tensor<64x32xf32> storage q8_0
  flow.weight @post_per_layer_norm : tensor<64xf32>
  flow.weight @layer_scalar : tensor<1xf32>
}
)mlir");
  EXPECT_EQ(preset, text);
}

// T7: mask of each layer of each family, also where layers are no multiple of
// the period, and where a list says otherwise.
TEST(FamilyPresets, MaskOfEachLayer) {
  auto masks = [](GemmaFamily family, const GemmaSizes &sizes) {
    TestContext test;
    std::string windows;
    for (int64_t i = 0; i != sizes.layers; ++i) {
      auto recipe = getLayerPreset(test.context, family, sizes, i);
      if (!recipe)
        return llvm::toString(recipe.takeError());
      EXPECT_EQ(recipe->mask.getPattern(), MaskPattern::Causal);
      EXPECT_TRUE(recipe->mask.getWindow() == 0 ||
                  recipe->mask.getWindow() == sizes.window);
      windows += recipe->mask.getWindow() ? "s" : "F";
    }
    return windows;
  };
  EXPECT_EQ(masks(GemmaFamily::Gemma1, smallSizes(3)), "FFF");
  EXPECT_EQ(masks(GemmaFamily::Gemma2, slidingSizes(5)), "sFsFs");
  EXPECT_EQ(masks(GemmaFamily::Gemma3, slidingSizes(14)), "sssssFsssssFss");
  EXPECT_EQ(masks(GemmaFamily::Gemma4, slidingSizes(14)), "sssssFsssssFsF");
  GemmaSizes sizes = slidingSizes(7);
  sizes.period = 3;
  EXPECT_EQ(masks(GemmaFamily::Gemma3, sizes), "ssFssFs");
  EXPECT_EQ(masks(GemmaFamily::Gemma4, sizes), "ssFssFF");
  sizes.period = 1;
  EXPECT_EQ(masks(GemmaFamily::Gemma2, sizes), "FFFFFFF");
  sizes.full = {true, false, false, true, false, false, false};
  EXPECT_EQ(masks(GemmaFamily::Gemma3, sizes), "FssFsss");
  EXPECT_EQ(masks(GemmaFamily::Gemma4, sizes), "FssFsss");
}

// T11: two tables, of which full layers have a factor or turn a quarter.
TEST(FamilyPresets, TablesOfEachFamily) {
  auto tables = [](GemmaFamily family, const GemmaSizes &sizes) {
    TestContext test;
    auto module = makeModule(test, family, sizes);
    std::string text;
    for (auto table : modelOf(*module).getOps<RopeTableOp>())
      text += textOfOp(table) + "\n";
    return text;
  };
  EXPECT_EQ(tables(GemmaFamily::Gemma1, smallSizes(1)),
            "flow.rope_table @rope theta 1.000000e+04 head_dim 32\n");
  EXPECT_EQ(tables(GemmaFamily::Gemma2, slidingSizes(1)),
            "flow.rope_table @rope theta 1.000000e+04 head_dim 32\n");
  GemmaSizes sizes = slidingSizes(6);
  sizes.ropeFactor = 8;
  EXPECT_EQ(tables(GemmaFamily::Gemma3, sizes),
            "flow.rope_table @rope_local theta 1.000000e+04 head_dim 32\n"
            "flow.rope_table @rope_global theta 1.000000e+06 head_dim 32 "
            "factor 8.000000e+00\n");
  EXPECT_EQ(tables(GemmaFamily::Gemma4, denseFourthSizes()),
            "flow.rope_table @rope_local theta 1.000000e+04 head_dim 32\n"
            "flow.rope_table @rope_global theta 1.000000e+06 head_dim 64 "
            "pairs 8\n");
}

TEST(FamilyPresets, ScalesAndCaps) {
  TestContext test;
  GemmaSizes sizes = slidingSizes(2);
  sizes.queryScalar = 144;
  auto recipe = llvm::cantFail(
      getLayerPreset(test.context, GemmaFamily::Gemma2, sizes, 0));
  EXPECT_DOUBLE_EQ(recipe.attention.getEffectiveScale(), 1.0 / 12);
  sizes.queryScalar = 32;
  recipe = llvm::cantFail(
      getLayerPreset(test.context, GemmaFamily::Gemma3, sizes, 0));
  EXPECT_TRUE(recipe.attention.getScale().isZero());
  for (auto [family, cap] : {std::pair(GemmaFamily::Gemma2, 30.0),
                             {GemmaFamily::Gemma3, 0.0},
                             {GemmaFamily::Gemma4, 30.0}}) {
    auto module = makeModule(test, family, slidingSizes(1));
    EXPECT_EQ(modelOf(*module).getHyper().getFinalSoftcap().convertToDouble(),
              cap);
  }
}

TEST(FamilyPresets, NormsOfLayersAndOfTheModelMayLackTheirOne) {
  TestContext test;
  GemmaSizes sizes = slidingSizes(1);
  sizes.unitOffset = true;
  auto module = makeModule(test, GemmaFamily::Gemma3, sizes);
  module->walk([](WeightOp weight) {
    EXPECT_EQ(weight.getUnitOffset(), weight.getTensorType().getRank() == 1)
        << weight.getSymName().str();
  });
}
