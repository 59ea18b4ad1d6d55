// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Each mistake in a line of verbs is one diagnostic and a failure.

#include "TestStep.h"

using namespace flow;
using namespace mlir;

namespace {

/// What is reported about the layer that `build` makes, which must fail.
std::string
mistake(llvm::function_ref<void(GemmaLayerBuilder &, SelfAttention)> build) {
  TestContext test;
  auto module = parseModule(test, kOneLayer);
  EXPECT_TRUE(
      failed(buildStep(*module, "prefill", [&](GemmaStep &step, Value stream) {
        GemmaLayerBuilder layer(step, "layer0", stream);
        build(layer, attentionOf(*module));
        return layer.finish();
      })));
  return test.reported;
}

} // namespace

TEST(LayerMistakes, Residuals) {
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.residualAdd(); }),
            "layer0: residualAdd without a saved residual\n");
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.residualSave(); }),
            "layer0: 1 saved residual was never added\n");
  EXPECT_EQ(mistake([](auto &layer, auto) {
              layer.residualSave().residualSave().linear("square");
            }),
            "layer0: 2 saved residuals were never added\n");
  EXPECT_EQ(mistake([](auto &layer, auto) {
              layer.residualSave().linear("gate").residualAdd();
            }),
            "layer0: the saved residual is tensor<?x64xf32>, the value to "
            "add to it tensor<?x128xf32>\n");
}

TEST(LayerMistakes, WeightsThatAreNotThere) {
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.rmsNorm("attn_norm"); }),
            "layer0: there is no weight @attn_norm\n");
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.linear("kv0"); }),
            "layer0: there is no weight @kv0\n");
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.perLayer(); }),
            "layer0: there is no weight @per_layer_gate\n");
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.scale("layer_scalar"); }),
            "layer0: there is no weight @layer_scalar\n");
}

TEST(LayerMistakes, WeightsOfOtherShapes) {
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.rmsNorm("q"); }),
            "layer0: weight @q must have shape [64], found "
            "tensor<64x64xf32>\n");
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.rmsNorm("q_norm"); }),
            "layer0: weight @q_norm must have shape [64], found "
            "tensor<32xf32>\n");
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.linear("down"); }),
            "layer0: weight @down must have shape [any, 64], found "
            "tensor<64x128xf32>\n");
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.scale("ffn_norm"); }),
            "layer0: weight @ffn_norm must have shape [1], found "
            "tensor<64xf32>\n");
}

TEST(LayerMistakes, AttentionOfOtherNumbers) {
  auto with = [](auto change) {
    return mistake([&](GemmaLayerBuilder &layer, SelfAttention attention) {
      change(attention);
      layer.selfAttention(attention).linear("o");
    });
  };
  auto spec = [](SelfAttention &attention, int64_t heads, int64_t kvHeads,
                 bool qkNorm) {
    AttentionSpecAttr old = attention.spec;
    attention.spec = AttentionSpecAttr::get(
        old.getContext(), heads, kvHeads, 32, old.getScale(), old.getSoftcap(),
        qkNorm, /*vNorm=*/false, /*kEqV=*/false);
  };
  EXPECT_EQ(with([&](auto &a) { spec(a, 4, 1, true); }),
            "layer0: weight @q must have shape [128, 64], found "
            "tensor<64x64xf32>\n");
  EXPECT_EQ(with([&](auto &a) { spec(a, 2, 2, true); }),
            "layer0: weight @k must have shape [64, 64], found "
            "tensor<32x64xf32>\n");
  EXPECT_EQ(with([](auto &a) { a.rope = "global"; }),
            "layer0: there is no flow.rope_table @global\n");
  EXPECT_EQ(with([](auto &a) { a.rope = "wide"; }),
            "layer0: table @wide turns heads of 64, the attention has 32\n");
  EXPECT_EQ(with([](auto &a) { a.cache = "kv9"; }),
            "layer0: there is no flow.kv_cache @kv9\n");
  EXPECT_EQ(with([](auto &a) { a.cache = "kv_wide"; }),
            "layer0: cache @kv_wide holds 2 heads of 32, the attention has 1 "
            "of 32\n");
  EXPECT_EQ(with([](auto &a) { a.shared = true; }),
            "layer0: no earlier layer has written the cache 'kv0' that this "
            "one shares\n");
  EXPECT_EQ(with([](auto &a) { a.shared = true, a.cache = ""; }),
            "layer0: no earlier layer has written the cache '' that this one "
            "shares\n");
}

TEST(LayerMistakes, Experts) {
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.moe(1); }),
            "layer0: moe without a saved residual\n");
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.residualSave().moe(1); }),
            "layer0: there is no weight @router_scale\n");
  EXPECT_EQ(mistake([](auto &layer, auto) {
              layer.residualSave().linear("gate").moe(1);
            }),
            "layer0: the residual that experts read has another type than the "
            "value to add them to\n");
}

TEST(LayerMistakes, Order) {
  EXPECT_EQ(mistake([](auto &layer, auto) {
              KeysAndValues tap;
              layer.kvTap(tap);
            }),
            "layer0: kvTap before selfAttention\n");
  EXPECT_EQ(mistake([](auto &layer, auto attention) {
              layer.selfAttention(attention).selfAttention(attention);
            }),
            "layer0: another layer has written cache @kv0\n");
  EXPECT_EQ(mistake([](auto &layer, auto) {
              EXPECT_TRUE(succeeded(layer.finish()));
              layer.linear("o");
            }),
            "layer0: linear follows finish\n");
}

TEST(LayerMistakes, Ends) {
  EXPECT_EQ(mistake([](auto &layer, auto) { layer.linear("gate"); }),
            "layer0: the layer makes tensor<?x128xf32> of "
            "tensor<?x64xf32>\n");
  EXPECT_EQ(mistake([](auto &layer, auto) {
              layer.stage(
                  [](ImplicitLocOpBuilder &, Value) { return Value(); });
            }),
            "layer0: a stage gave no value\n");
}

// What a stage emits is verified with the rest.
TEST(LayerMistakes, OpsThatDoNotVerify) {
  EXPECT_EQ(mistake([](auto &layer, auto) {
              layer.stage([](ImplicitLocOpBuilder &b, Value x) -> Value {
                Value row = tensor::EmptyOp::create(b, {32}, b.getF32Type());
                RmsNormOp::create(b, x.getType(), x, row, llvm::APFloat(1e-6));
                return x;
              });
            }),
            "'flow.rms_norm' op (C3): weight must have shape [64], got "
            "'tensor<32xf32>'\n");
}

// The first mistake is reported; what follows is not even looked at.
TEST(LayerMistakes, OneIsEnough) {
  EXPECT_EQ(mistake([](auto &layer, auto) {
              layer.residualAdd().linear("nowhere").stage(
                  [](ImplicitLocOpBuilder &, Value x) {
                    ADD_FAILURE() << "a stage after a mistake";
                    return x;
                  });
            }),
            "layer0: residualAdd without a saved residual\n");
}

TEST(LayerMistakes, ModelsWithoutEmbedding) {
  TestContext test;
  auto module = parseModule(
      test, "flow.model @m <hidden = 64, vocab = 512, positions = 256> {}");
  EXPECT_TRUE(
      failed(buildStep(*module, "prefill", [&](GemmaStep &, Value stream) {
        return FailureOr<Value>(stream);
      })));
  EXPECT_EQ(test.reported, "'flow.model' op has no weight @embedding\n");
}
