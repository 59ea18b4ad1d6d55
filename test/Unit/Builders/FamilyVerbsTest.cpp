// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The layers of each family in verbs are those that recipes expand to.

#include "TestSizes.h"

using namespace flow;
using namespace mlir;

namespace {

/// What a recipe says of its attention.
SelfAttention attentionOf(LayerOp layer) {
  return {layer.getAttention(), layer.getMask(), layer.getRope(),
          *layer.getCache(), layer.getShared()};
}

using Line = llvm::function_ref<FailureOr<Value>(GemmaLayerBuilder, LayerOp)>;

/// Compares the step whose layers `line` makes with the expanded recipe.
void expectExpansion(GemmaFamily family, const GemmaSizes &sizes, Line line) {
  for (StringRef phase : {"prefill", "decode"}) {
    TestContext test;
    auto module = makeModule(test, family, sizes);
    std::string expected = expand(*module, phase);
    LogicalResult built = buildStep(
        *module, phase, [&](GemmaStep &step, Value stream) -> FailureOr<Value> {
          for (auto layer : step.getModel().getOps<LayerOp>()) {
            FailureOr<Value> next = line(
                GemmaLayerBuilder(step, layer.getSymName(), stream), layer);
            if (failed(next))
              return failure();
            stream = *next;
          }
          return stream;
        });
    EXPECT_TRUE(succeeded(built)) << test.reported;
    EXPECT_EQ(textOf(*module), expected);
  }
}

/// The layer of a Gemma 2 or 3, and the first half of one of a Gemma 4.
GemmaLayerBuilder &sandwich(GemmaLayerBuilder &line, LayerOp layer) {
  return line.residualSave()
      .rmsNorm("attention_norm")
      .selfAttention(attentionOf(layer))
      .linear("o")
      .rmsNorm("post_attention_norm")
      .residualAdd()
      .residualSave()
      .rmsNorm("ffn_norm")
      .geGlu()
      .rmsNorm("post_ffn_norm")
      .residualAdd();
}

} // namespace

// T3, T4: order and operands of the stages of each kind.
TEST(FamilyVerbs, First) {
  expectExpansion(GemmaFamily::Gemma1, smallSizes(2),
                  [](GemmaLayerBuilder line, LayerOp layer) {
                    return line.residualSave()
                        .rmsNorm("attention_norm")
                        .selfAttention(attentionOf(layer))
                        .linear("o")
                        .residualAdd()
                        .residualSave()
                        .rmsNorm("ffn_norm")
                        .geGlu()
                        .residualAdd()
                        .finish();
                  });
}

TEST(FamilyVerbs, SecondAndThird) {
  auto line = [](GemmaLayerBuilder line, LayerOp layer) {
    return sandwich(line, layer).finish();
  };
  expectExpansion(GemmaFamily::Gemma2, slidingSizes(3), line);
  expectExpansion(GemmaFamily::Gemma3, slidingSizes(7), line);
}

TEST(FamilyVerbs, FourthDense) {
  expectExpansion(GemmaFamily::Gemma4, denseFourthSizes(),
                  [](GemmaLayerBuilder line, LayerOp layer) {
                    return sandwich(line, layer).scale("layer_scalar").finish();
                  });
}

TEST(FamilyVerbs, FourthThatShares) {
  expectExpansion(GemmaFamily::Gemma4, sharingFourthSizes(),
                  [](GemmaLayerBuilder line, LayerOp layer) {
                    return sandwich(line, layer)
                        .residualSave()
                        .perLayer()
                        .residualAdd()
                        .scale("layer_scalar")
                        .finish();
                  });
}

TEST(FamilyVerbs, FourthWithExperts) {
  expectExpansion(GemmaFamily::Gemma4, expertFourthSizes(),
                  [](GemmaLayerBuilder line, LayerOp layer) {
                    return line.residualSave()
                        .rmsNorm("attention_norm")
                        .selfAttention(attentionOf(layer))
                        .linear("o")
                        .rmsNorm("post_attention_norm")
                        .residualAdd()
                        .residualSave()
                        .rmsNorm("ffn_norm")
                        .geGlu()
                        .rmsNorm("post_dense_norm")
                        .moe(2)
                        .rmsNorm("post_ffn_norm")
                        .residualAdd()
                        .scale("layer_scalar")
                        .finish();
                  });
}

// T16, T19: what a sharing layer reads is what its source has written, and it
// projects nothing.
TEST(FamilyVerbs, TapsOfLayersThatShareAreOne) {
  TestContext test;
  auto module = makeModule(test, GemmaFamily::Gemma4, sharingFourthSizes());
  std::vector<KeysAndValues> taps;
  ASSERT_TRUE(succeeded(
      buildStep(*module, "decode",
                [&](GemmaStep &step, Value stream) {
                  FailureOr<Value> next = stream;
                  for (auto layer : step.getModel().getOps<LayerOp>())
                    if (succeeded(next))
                      next = GemmaLayerBuilder(step, layer.getSymName(), *next)
                                 .residualSave()
                                 .selfAttention(attentionOf(layer))
                                 .kvTap(taps.emplace_back())
                                 .linear("o")
                                 .residualAdd()
                                 .finish();
                  return next;
                })))
      << test.reported;
  ASSERT_EQ(taps.size(), 4u);
  EXPECT_EQ(taps[2].keys, taps[0].keys);
  EXPECT_EQ(taps[2].values, taps[0].values);
  EXPECT_EQ(taps[3].keys, taps[1].keys);
  EXPECT_NE(taps[0].keys, taps[1].keys);
  int products = 0;
  module->walk([&](LinearOp) { ++products; });
  EXPECT_EQ(products, 4 + 4 + 2 + 2);
}
