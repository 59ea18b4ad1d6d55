// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Model files and artefacts become models that run, or one error.

#include "../Import/TestModels.h"
#include "TestFolders.h"

#include "flow/Compiler/LoadedModel.h"

#include "mlir/IR/MLIRContext.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

namespace {

/// The smallest model: what matters here is which files it comes from.
TestGguf smallFile(uint32_t context = 64) {
  TestModelSizes sizes;
  sizes.layers = 1;
  sizes.hidden = 32;
  sizes.heads = sizes.kvHeads = 1;
  sizes.ffn = 32;
  sizes.vocab = 64;
  sizes.context = context;
  return gemma3File(sizes);
}

class LoadedModelTest : public testing::Test {
protected:
  /// Loads `path`; the error, or "" when it went well.
  std::string load(const std::string &path) {
    llvm::Expected<std::unique_ptr<LoadedModel>> result =
        LoadedModel::load(path, options);
    if (!result)
      return llvm::toString(result.takeError());
    loaded = std::move(*result);
    return "";
  }

  /// Compiles the model for `cpu` as a tool would, and writes the artefact
  /// after `change` was made to it.
  template <typename Change>
  void writeArtifactOf(const std::string &model, llvm::StringRef cpu,
                       Change change) {
    ImportedModel imported = llvm::cantFail(importModel(model));
    mlir::DialectRegistry registry;
    registerAllDialects(registry);
    mlir::MLIRContext context(registry);
    auto recipe = llvm::cantFail(buildRecipe(context, imported));
    Artifact artifact = llvm::cantFail(
        compileModel(*recipe, llvm::cantFail(resolveCpuTarget(cpu)), {}));
    artifact.modelPath = model;
    artifact.modelDigest = imported.file->headerDigest();
    change(artifact);
    EXPECT_EQ(errorOf(writeArtifact(artifact, artifactPath)), "no error");
  }

  TestFolder folder;
  TestFile model{smallFile()};
  std::string modelPath = model.path().str();
  std::string artifactPath = folder.path("model.flow");
  LoadOptions options;
  std::unique_ptr<LoadedModel> loaded;
};

} // namespace

TEST_F(LoadedModelTest, LoadsAModelFile) {
  std::vector<std::string> said;
  options.progress = [&](llvm::StringRef what) { said.push_back(what.str()); };
  ASSERT_EQ(load(modelPath), "");
  EXPECT_THAT(said, ElementsAre("reading", "compiling", "packing weights", ""));
  EXPECT_FALSE(loaded->times().wasCached);
  EXPECT_GT(loaded->times().compile, 0);
  EXPECT_EQ(loaded->imported().config.hidden, 32);
}

TEST_F(LoadedModelTest, CompilesOnceThroughACache) {
  options.cacheFolder = folder.path("cache");
  ASSERT_EQ(load(modelPath), "");
  EXPECT_FALSE(loaded->times().wasCached);
  ASSERT_EQ(load(modelPath), "");
  EXPECT_TRUE(loaded->times().wasCached);
}

TEST_F(LoadedModelTest, LoadsAnArtifactWithItsWeights) {
  writeArtifactOf(modelPath, "x86-64", [](Artifact &) {});
  options.progress = [](llvm::StringRef what) { EXPECT_NE(what, "compiling"); };
  ASSERT_EQ(load(artifactPath), "");
  EXPECT_TRUE(loaded->times().wasCached);

  // The weights may have moved.
  std::string moved = folder.path("moved.gguf");
  writeArtifactOf(modelPath, "x86-64", [](Artifact &artifact) {
    artifact.modelPath = "/nowhere/model.gguf";
  });
  EXPECT_THAT(load(artifactPath), StartsWith("/nowhere/model.gguf: "));
  writeBytes(moved, readBytes(modelPath));
  options.weightsPath = moved;
  EXPECT_EQ(load(artifactPath), "");
}

TEST_F(LoadedModelTest, RefusesTheWeightsOfAnotherModel) {
  writeArtifactOf(modelPath, "x86-64", [](Artifact &) {});
  TestFile other(smallFile(/*context=*/48));
  options.weightsPath = other.path().str();
  EXPECT_EQ(load(artifactPath), other.path().str() +
                                    ": is another model than the one " +
                                    artifactPath + " was compiled for");
}

TEST_F(LoadedModelTest, RefusesCodeForOtherMachines) {
  writeArtifactOf(modelPath, "x86-64", [](Artifact &artifact) {
    artifact.triple = "aarch64-unknown-linux-gnu";
  });
  EXPECT_THAT(load(artifactPath),
              StartsWith(artifactPath +
                         ": the code is for aarch64-unknown-linux-gnu, "));
  writeArtifactOf(modelPath, "x86-64",
                  [](Artifact &artifact) { artifact.cpu = "abacus"; });
  EXPECT_THAT(load(artifactPath),
              StartsWith(artifactPath + ": unknown CPU 'abacus'"));
}

TEST_F(LoadedModelTest, RefusesCodeThatNeedsMoreThanTheMachineHas) {
  // No machine has both: AMD's old instructions and Intel's newest.
  writeArtifactOf(modelPath, "x86-64", [](Artifact &artifact) {
    artifact.features = "+sse4a,+avx10.2";
  });
  EXPECT_THAT(load(artifactPath),
              AllOf(StartsWith(artifactPath + ": the code is for x86-64 and "
                                              "may use "),
                    HasSubstr(", which this machine lacks")));
}

TEST_F(LoadedModelTest, RefusesDamagedFiles) {
  writeBytes(artifactPath, "a shopping list that is long enough");
  EXPECT_THAT(load(artifactPath),
              StartsWith(artifactPath + ": is no GGUF file"));
  writeBytes(artifactPath, "FLOWART\x01 and too little");
  EXPECT_EQ(load(artifactPath),
            artifactPath +
                ": is cut off or damaged: its digest does not match");
}

TEST_F(LoadedModelTest, RefusesAContextBeyondThePlan) {
  options.context = 65;
  EXPECT_THAT(load(modelPath), HasSubstr("65"));
  options.context = 0;
  options.compile.context = 48;
  EXPECT_EQ(load(modelPath), "");
  // What was compiled for less must not be run for more.
  options.context = 64;
  EXPECT_THAT(load(modelPath), HasSubstr("64"));
}

TEST_F(LoadedModelTest, AsksHowToCompileWhatItHasRead) {
  options.onImport = [](const ImportedModel &model, CompileOptions &compile) {
    compile.topK = model.config.vocab / 2;
    return llvm::Error::success();
  };
  ASSERT_EQ(load(modelPath), "");
  EXPECT_EQ(loaded->model().plan().candidateCount(), 32);
  // Code that is there already stays as it is.
  writeArtifactOf(modelPath, "x86-64", [](Artifact &) {});
  ASSERT_EQ(load(artifactPath), "");
  EXPECT_EQ(loaded->model().plan().candidateCount(), 0);
  options.onImport = [](const ImportedModel &, CompileOptions &) {
    return llvm::createStringError("not this one");
  };
  EXPECT_EQ(load(modelPath), "not this one");
}
