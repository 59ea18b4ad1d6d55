// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sizes that no member of a family has are refused by name.

#include "TestSizes.h"

#include <cmath>

using namespace flow;
using namespace mlir;

namespace {

/// What is wrong with `sizes` after `change`; empty if nothing is.
template <typename Change>
std::string mistake(GemmaFamily family, GemmaSizes sizes, Change change) {
  change(sizes);
  TestContext test;
  OwningOpRef<ModuleOp> module =
      ModuleOp::create(UnknownLoc::get(&test.context));
  OpBuilder b(&test.context);
  b.setInsertionPointToEnd(module->getBody());
  llvm::Expected<ModelOp> model =
      createModel(b, b.getUnknownLoc(), "m", family, sizes);
  if (model)
    return "";
  EXPECT_TRUE(module->getBody()->empty());
  EXPECT_EQ(test.reported, "");
  return llvm::toString(model.takeError());
}

template <typename Change> std::string third(Change change) {
  return mistake(GemmaFamily::Gemma3, slidingSizes(6), change);
}

template <typename Change> std::string fourth(Change change) {
  return mistake(GemmaFamily::Gemma4, sharingFourthSizes(), change);
}

} // namespace

TEST(PresetMistakes, NumbersThatEveryModelHas) {
  EXPECT_EQ(third([](auto &) {}), "");
  EXPECT_EQ(third([](auto &s) { s.hidden = 0; }),
            "hidden must be positive and below 2^31, found 0");
  EXPECT_EQ(third([](auto &s) { s.vocab = -1; }),
            "vocab must be positive and below 2^31, found -1");
  EXPECT_EQ(third([](auto &s) { s.width = int64_t(1) << 31; }),
            "width must be positive and below 2^31, found 2147483648");
  EXPECT_EQ(third([](auto &s) { s.positions = 0; }),
            "positions must be positive, found 0");
  EXPECT_EQ(third([](auto &s) { s.layers = 513; }),
            "layers must lie in 1 to 512, found 513");
  EXPECT_EQ(third([](auto &s) { s.headDim = 31; }),
            "headDim must be even, found 31");
  EXPECT_EQ(third([](auto &s) { s.kvHeads = 3; }),
            "2 heads cannot share 3 key/value heads");
  EXPECT_EQ(third([](auto &s) { s.hidden = 48; }),
            "hidden must be a multiple of 32 in q8_0, found 48");
  EXPECT_EQ(third([](auto &s) { s.heads = 1, s.headDim = 16; }),
            "heads * headDim must be a multiple of 32 in q8_0, found 16");
}

TEST(PresetMistakes, NumbersOfSomeFamilies) {
  EXPECT_EQ(third([](auto &s) { s.window = 0; }),
            "window must be positive, found 0");
  EXPECT_EQ(third([](auto &s) { s.period = -2; }),
            "period must not be negative, found -2");
  EXPECT_EQ(third([](auto &s) { s.full = {true}; }),
            "full must have an entry for each of 6 layers, found 1");
  EXPECT_EQ(third([](auto &s) { s.queryScalar = std::nan(""); }),
            "queryScalar must be finite and not negative, found nan");
  EXPECT_EQ(third([](auto &s) { s.ropeFactor = 0; }),
            "ropeFactor must be finite and positive, found 0.000000");
  EXPECT_EQ(third([](auto &s) { s.kEqV = true; }), "Gemma 3 has no kEqV");
  EXPECT_EQ(third([](auto &s) { s.perLayer = 32; }), "Gemma 3 has no perLayer");
  EXPECT_EQ(mistake(GemmaFamily::Gemma1, smallSizes(1),
                    [](auto &s) { s.window = 16; }),
            "Gemma 1 has no windows");
  EXPECT_EQ(mistake(GemmaFamily::Gemma1, smallSizes(1),
                    [](auto &s) { s.queryScalar = 256; }),
            "Gemma 1 has no queryScalar");
  EXPECT_EQ(mistake(GemmaFamily::Gemma2, slidingSizes(2),
                    [](auto &s) { s.ropeFactor = 8; }),
            "Gemma 2 has no ropeFactor");
}

TEST(PresetMistakes, NumbersOfTheFourth) {
  EXPECT_EQ(fourth([](auto &) {}), "");
  EXPECT_EQ(fourth([](auto &s) { s.fullHeadDim = 36; }),
            "heads of full layers must be a multiple of 8, of which a quarter "
            "turns in pairs, found 36");
  EXPECT_EQ(fourth([](auto &s) { s.fullKvHeads = 4; }),
            "2 heads cannot share 4 key/value heads");
  EXPECT_EQ(fourth([](auto &s) { s.perLayer = -1; }),
            "perLayer must be positive and below 2^31, or 0, found -1");
  EXPECT_EQ(fourth([](auto &s) { s.perLayer = 8; }),
            "perLayer must be a multiple of 32 in q8_0, found 8");
  EXPECT_EQ(fourth([](auto &s) { s.sharedLayers = 5; }),
            "sharedLayers must lie in 0 to 4, found 5");
  // Layer 1 would be the first full one.
  EXPECT_EQ(fourth([](auto &s) { s.sharedLayers = 3; }),
            "no layer has keys and values for layer 1, as sharedLayers is 3");
  EXPECT_EQ(fourth([](auto &s) { s.width = int64_t(1) << 30; }),
            "width must be below 2^30 when it doubles, found 1073741824");
}

TEST(PresetMistakes, Experts) {
  auto experts = [](auto change) {
    return mistake(GemmaFamily::Gemma4, expertFourthSizes(), change);
  };
  EXPECT_EQ(experts([](auto &) {}), "");
  EXPECT_EQ(experts([](auto &s) { s.experts = 0; }),
            "experts and expertWidth must both be positive and below 2^31, or "
            "0, found 0 and 96");
  EXPECT_EQ(experts([](auto &s) { s.expertsUsed = 5; }),
            "expertsUsed must lie in 1 to 4, found 5");
  EXPECT_EQ(experts([](auto &s) { s.expertWidth = 48; }),
            "expertWidth must be a multiple of 32 in q8_0, found 48");
  EXPECT_EQ(experts([](auto &s) { s.experts = 1 << 26; }),
            "experts of width 96 must have less than 2^31 rows in all, found "
            "67108864 of them");
  EXPECT_EQ(third([](auto &s) { s.experts = 4; }), "Gemma 3 has no experts");
}

TEST(PresetMistakes, LayersThatAreNotThere) {
  TestContext test;
  for (int64_t index : {-1, 6})
    EXPECT_EQ(llvm::toString(getLayerPreset(test.context, GemmaFamily::Gemma3,
                                            slidingSizes(6), index)
                                 .takeError()),
              "the layer must lie in 0 to 5, found " + std::to_string(index));
}
