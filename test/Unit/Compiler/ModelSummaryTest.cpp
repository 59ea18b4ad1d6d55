// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The numbers of a model are those of its recipe and of its plan.

#include "flow/Compiler/ModelSummary.h"

#include "TestRecipes.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::HasSubstr;

namespace {

ModelSummary summaryOf(const std::string &text,
                       const CompileOptions &options = {}) {
  TestRecipe recipe(text);
  return llvm::cantFail(summarizeModel(
      *recipe, llvm::cantFail(resolveCpuTarget("x86-64-v3")), options));
}

} // namespace

TEST(ModelSummary, CountsEveryTensorOnce) {
  ModelSummary summary = summaryOf(testRecipe());
  EXPECT_EQ(summary.layers, 2);
  EXPECT_EQ(summary.parameters, 64 * 32 + 32 + 2 * (2 * 32 + 7 * 1024));
  EXPECT_EQ(summary.storedBytes,
            64u * 34 + 32 * 4 + 2 * (2 * 32 * 4 + 7 * 32 * 18));
  // The table is read where it lies, row by row, and packed for the head.
  EXPECT_EQ(summary.mappedBytes, 64u * 34);
  // Two weights of one tensor are one.
  std::string text = testRecipe();
  for (const char *name : {"@gate", "@up"}) {
    std::string weight = std::string("flow.weight ") + name +
                         " : tensor<32x32xf32> storage q4_0";
    for (size_t at = 0; (at = text.find(weight, at)) != std::string::npos;)
      text.insert(at += weight.size(), " from \"one\"");
  }
  EXPECT_EQ(summaryOf(text).parameters, summary.parameters - 3 * 1024);
  EXPECT_EQ(summaryOf(text).storedBytes, summary.storedBytes - 3 * 32 * 18);
}

TEST(ModelSummary, PartsOfOneTensorAreItsParameters) {
  std::string text = testRecipe();
  std::string up = "flow.weight @up : tensor<32x32xf32> storage q4_0";
  for (int layer : {0, 1})
    text.insert(text.find(up, layer ? text.find("@layer1") : 0) + up.size(),
                " from \"all\" part [" + std::to_string(32 * layer) + ", 0]");
  EXPECT_EQ(summaryOf(text).parameters, summaryOf(testRecipe()).parameters);
}

TEST(ModelSummary, CachesByKind) {
  ModelSummary summary = summaryOf(testRecipe());
  EXPECT_EQ(summary.context, 128);
  EXPECT_EQ(summary.chunk, 512);
  ASSERT_EQ(summary.caches.size(), 2u);
  // A step of all 128 positions leaves a ring no less than them.
  EXPECT_EQ(summary.caches[0].window, 16);
  EXPECT_EQ(summary.caches[0].positions, 128);
  CompileOptions options;
  options.chunk = 12;
  summary = summaryOf(testRecipe(), options);
  EXPECT_EQ(summary.caches[0].positions, 32);
  EXPECT_EQ(summary.caches[0].bytes, 2u * 2 * 32 * 32);
  EXPECT_EQ(summary.caches[1].window, 0);
  EXPECT_EQ(summary.caches[1].bytes, 2u * 2 * 32 * 128);
  EXPECT_EQ(summary.cacheBytes(),
            summary.caches[0].bytes + summary.caches[1].bytes);
  EXPECT_EQ(summary.allocatedBytes(),
            summary.packedBytes + summary.cacheBytes() + summary.bufferBytes);
  options.context = 64;
  EXPECT_EQ(summaryOf(testRecipe(), options).caches[1].positions, 64);
}

TEST(ModelSummary, RefusesWhatDoesNotCompile) {
  TestRecipe empty("module {}");
  CpuTarget target = llvm::cantFail(resolveCpuTarget("x86-64-v3"));
  auto none = summarizeModel(*empty, target, {});
  ASSERT_FALSE(none);
  EXPECT_EQ(llvm::toString(none.takeError()),
            "a recipe holds one flow.model, found 0");
  TestRecipe recipe;
  CompileOptions options;
  options.context = 129;
  auto longer = summarizeModel(*recipe, target, options);
  ASSERT_FALSE(longer);
  EXPECT_THAT(llvm::toString(longer.takeError()),
              HasSubstr("more than the model's 128"));
}
