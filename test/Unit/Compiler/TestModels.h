// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Recipes compiled and loaded with random weights, and tokens for them.

#ifndef FLOW_TEST_COMPILER_TESTMODELS_H
#define FLOW_TEST_COMPILER_TESTMODELS_H

#include "TestWeights.h"

#include "flow/Compiler/LoadedCode.h"
#include "flow/Runtime/Engine.h"

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace flow {

/// A compiled model with weights, and whatever it needs to live.
class TestModel {
public:
  /// Of the recipe at `path` in the sources, computed in f32.
  TestModel(llvm::StringRef path, const runtime::EngineOptions &options,
            CompileOptions compile)
      : recipe(recipeOf(path)), tensors(randomWeights(*recipe)) {
    compile.numerics = "f32";
    compile.context = options.context;
    compile.chunk = options.prefillChunk;
    Artifact artifact = llvm::cantFail(compileModel(
        *recipe, llvm::cantFail(resolveCpuTarget("native")), compile));
    // The plan goes the way through its file.
    flow::Result<runtime::Plan> plan =
        runtime::planFromJson(runtime::toJson(artifact.plan));
    EXPECT_TRUE(plan) << plan.error();
    code = llvm::cantFail(LoadedCode::load(artifact.objects));
    flow::Result<std::unique_ptr<runtime::Model>> created =
        runtime::Model::create(
            std::move(*plan),
            [this](const std::string &name) { return code->lookupEntry(name); },
            tensors.source(), options);
    if (created)
      model = std::move(*created);
    else
      ADD_FAILURE() << created.error();
  }

  runtime::Model &get() { return *model; }

private:
  TestRecipe recipe;
  runtime::TestTensors tensors;
  std::unique_ptr<LoadedCode> code;
  std::unique_ptr<runtime::Model> model;
};

/// `count` of 512 tokens.
inline std::vector<int32_t> randomTokens(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> tokens;
  for (size_t i = 0; i != count; ++i)
    tokens.push_back(static_cast<int32_t>(random() % 512));
  return tokens;
}

/// The tokens `[first, last)`.
inline std::vector<int32_t> slice(const std::vector<int32_t> &tokens,
                                  size_t first, size_t last) {
  return {tokens.begin() + static_cast<ptrdiff_t>(first),
          tokens.begin() + static_cast<ptrdiff_t>(last)};
}

} // namespace flow

#endif // FLOW_TEST_COMPILER_TESTMODELS_H
