// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verbs make the stages that recipes stand for.

#include "TestStep.h"

using namespace flow;
using namespace mlir;

namespace {

template <typename Op> int countOf(ModuleOp module) {
  int count = 0;
  module.walk([&](Op) { ++count; });
  return count;
}

/// The name on the location of the only op of its kind.
template <typename Op> std::string nameOf(ModuleOp module) {
  std::string name;
  module.walk(
      [&](Op op) { name = cast<NameLoc>(op->getLoc()).getName().str(); });
  return name;
}

} // namespace

// T3: a layer in verbs is the layer in text.
TEST(GemmaLayerBuilder, VerbsAreTheExpandedRecipe) {
  for (StringRef phase : {"prefill", "decode"}) {
    TestContext test;
    auto module = parseModule(test, kOneLayer);
    std::string expected = expand(*module, phase);
    ASSERT_TRUE(succeeded(buildStep(*module, phase,
                                    [&](GemmaStep &step, Value stream) {
                                      return GemmaLayerBuilder(step, "layer0",
                                                               stream)
                                          .residualSave()
                                          .rmsNorm("attention_norm")
                                          .selfAttention(attentionOf(*module))
                                          .linear("o")
                                          .rmsNorm("post_attention_norm")
                                          .residualAdd()
                                          .residualSave()
                                          .rmsNorm("ffn_norm")
                                          .geGlu()
                                          .rmsNorm("post_ffn_norm")
                                          .residualAdd()
                                          .finish();
                                    })))
        << test.reported;
    EXPECT_EQ(textOf(*module), expected);
  }
}

// T16: keys and values leave the layer as attention read them; they are
// projected once.
TEST(GemmaLayerBuilder, TapGivesWhatAttentionRead) {
  for (StringRef cache : {"kv0", ""}) {
    TestContext test;
    auto module = parseModule(test, kOneLayer);
    KeysAndValues tap;
    ASSERT_TRUE(
        succeeded(buildStep(*module, "prefill",
                            [&](GemmaStep &step, Value stream) {
                              SelfAttention attention = attentionOf(*module);
                              attention.cache = cache;
                              return GemmaLayerBuilder(step, "layer0", stream)
                                  .residualSave()
                                  .rmsNorm("attention_norm")
                                  .selfAttention(attention)
                                  .kvTap(tap)
                                  .linear("o")
                                  .residualAdd()
                                  .finish();
                            })))
        << test.reported;
    // q, k, v and o.
    EXPECT_EQ(countOf<LinearOp>(*module), 4);
    EXPECT_EQ(countOf<KvAppendOp>(*module), cache.empty() ? 0 : 1);
    module->walk([&](AttentionOp attention) {
      EXPECT_EQ(attention.getKey(), tap.keys);
      EXPECT_EQ(attention.getValue(), tap.values);
    });
    if (cache.empty())
      EXPECT_TRUE(tap.keys.getDefiningOp<RopeOp>());
    else
      EXPECT_TRUE(tap.keys.getDefiningOp<KvAppendOp>());
  }
}

TEST(GemmaLayerBuilder, ResidualsAreAStack) {
  TestContext test;
  auto module = parseModule(test, kOneLayer);
  Value inner, outer;
  ASSERT_TRUE(succeeded(buildStep(
      *module, "prefill",
      [&](GemmaStep &step, Value stream) {
        outer = stream;
        return GemmaLayerBuilder(step, "layer0", stream)
            .residualSave()
            .rmsNorm("attention_norm")
            .stage([&](ImplicitLocOpBuilder &, Value x) { return inner = x; })
            .residualSave()
            .linear("square")
            .residualAdd()
            .linear("o")
            .residualAdd()
            .finish();
      })))
      << test.reported;
  SmallVector<arith::AddFOp> sums;
  module->walk([&](arith::AddFOp sum) { sums.push_back(sum); });
  ASSERT_EQ(sums.size(), 2u);
  EXPECT_EQ(sums[0].getLhs(), inner);
  EXPECT_EQ(sums[1].getLhs(), outer);
}

// A stage of another dialect, and a weight of the model rather than the layer.
TEST(GemmaLayerBuilder, AnyOpStandsBetweenStages) {
  TestContext test;
  auto module = parseModule(test, kOneLayer);
  ASSERT_TRUE(succeeded(
      buildStep(*module, "prefill",
                [&](GemmaStep &step, Value stream) {
                  return GemmaLayerBuilder(step, "layer0", stream)
                      .named("adapter/tanh")
                      .stage([](ImplicitLocOpBuilder &b, Value x) -> Value {
                        return math::TanhOp::create(b, x);
                      })
                      .named("adapter/square")
                      .linear("square")
                      .finish();
                })))
      << test.reported;
  EXPECT_EQ(nameOf<math::TanhOp>(*module), "layer0/adapter/tanh");
  EXPECT_EQ(nameOf<LinearOp>(*module), "layer0/adapter/square");
  module->walk([&](WeightRefOp reference) {
    if (reference.getWeight().getLeafReference() == "square")
      EXPECT_EQ(reference.getWeight().getNestedReferences().size(), 1u);
  });
}

// `named` holds for one verb; verbs of several stages put it before theirs.
TEST(GemmaLayerBuilder, NamesAreOfOneVerb) {
  TestContext test;
  auto module = parseModule(test, kOneLayer);
  ASSERT_TRUE(succeeded(buildStep(
      *module, "prefill",
      [&](GemmaStep &step, Value stream) {
        return GemmaLayerBuilder(step, "block7", stream)
            .named("mlp")
            .stage([&](ImplicitLocOpBuilder &b, Value x) -> Value {
              EXPECT_EQ(cast<NameLoc>(b.getLoc()).getName(), "block7/mlp");
              return math::TanhOp::create(b, x);
            })
            .linear("square")
            .finish();
      })))
      << test.reported;
  EXPECT_EQ(nameOf<math::TanhOp>(*module), "block7/mlp");
  EXPECT_EQ(nameOf<LinearOp>(*module), "block7/square");
}

TEST(GemmaLayerBuilder, NormsMayHaveAnEpsilonOfTheirOwn) {
  TestContext test;
  auto module = parseModule(test, kOneLayer);
  ASSERT_TRUE(succeeded(buildStep(*module, "prefill",
                                  [&](GemmaStep &step, Value stream) {
                                    return GemmaLayerBuilder(step, "layer0",
                                                             stream)
                                        .rmsNorm("ffn_norm", 1e-5)
                                        .finish();
                                  })))
      << test.reported;
  SmallVector<double> epsilons;
  module->walk([&](RmsNormOp norm) {
    epsilons.push_back(norm.getEps().convertToDouble());
  });
  EXPECT_EQ(epsilons, (SmallVector<double>{1e-5, 1e-6}));
}
