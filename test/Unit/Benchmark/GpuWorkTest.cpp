// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the launches of a small dense model do, against what a model of its
// sizes cannot do without.

#include "../Import/TestModels.h"

#include "flow/Benchmark/GpuWork.h"
#include "flow/Compiler/LoadedModel.h"
#include "flow/Runtime/Memory.h"

#include "llvm/ADT/STLExtras.h"

#include <gtest/gtest.h>

using namespace flow;

namespace {

TestModelSizes sizesOfModel() {
  TestModelSizes sizes;
  sizes.hidden = 512;
  sizes.heads = 4;
  sizes.kvHeads = 2;
  sizes.headDim = 64;
  sizes.ffn = 1024;
  sizes.vocab = 2048;
  sizes.window = 64;
  sizes.context = 1024;
  return sizes;
}

/// Of a weight in Q8_0: a quant, and its part of the scale of 32.
constexpr double kWeightBytes = 34.0 / 32;

/// Six layers that see 64 keys, and one that sees all.
class GpuWork : public testing::Test {
protected:
  static void SetUpTestSuite() {
    TestFile file(gemma3File(sizesOfModel()));
    ImportedModel model = llvm::cantFail(importModel(file.path()));
    mlir::DialectRegistry registry;
    registerAllDialects(registry);
    mlir::MLIRContext context(registry);
    auto recipe = llvm::cantFail(buildRecipe(context, model));
    NvvmTarget target = llvm::cantFail(resolveNvvmTarget("sm_80"));
    GpuCode code = llvm::cantFail(compileForGpu(*recipe, target, {}));
    plan = new runtime::Plan(code.plan);
    meter = llvm::cantFail(GpuStepMeter::create(code, 2)).release();
  }
  static void TearDownTestSuite() {
    delete meter;
    delete plan;
  }

  static std::vector<LaunchWork> measure(int64_t start, int64_t rows,
                                         CtaSampling sampling = {0, 0}) {
    auto works = meter->measure(start, rows, sampling);
    EXPECT_TRUE(bool(works)) << llvm::toString(works.takeError());
    return std::move(*works);
  }

  /// The only one whose name begins so.
  static LaunchWork find(llvm::ArrayRef<LaunchWork> works,
                         llvm::StringRef name) {
    LaunchWork found;
    for (const LaunchWork &work : works)
      if (llvm::StringRef(work.kernel).starts_with(name)) {
        EXPECT_TRUE(found.kernel.empty()) << name.str();
        found = work;
      }
    EXPECT_FALSE(found.kernel.empty()) << name.str();
    return found;
  }

  static const runtime::Plan *plan;
  static GpuStepMeter *meter;
};

const runtime::Plan *GpuWork::plan;
GpuStepMeter *GpuWork::meter;

} // namespace

// A token must read each weight once, and keys and values that it sees.
TEST_F(GpuWork, DecodingMovesLittleMoreThanItMust) {
  constexpr int64_t depth = 300;
  double moved = 0;
  for (const LaunchWork &work : measure(depth, 0))
    moved += work.readBytes + work.writtenBytes;
  double least = 0;
  for (const runtime::PackedWeight &weight : plan->weights)
    for (size_t bytes : runtime::packedBytes(weight))
      least += static_cast<double>(bytes);
  for (const runtime::CachePlan &cache : plan->caches) {
    int64_t seen =
        cache.window == 0 ? depth + 1 : std::min(depth + 1, cache.window);
    least += static_cast<double>(cache.positionBytes() * (seen + 1));
  }
  EXPECT_GE(moved, least);
  EXPECT_LE(moved, 1.05 * least);
}

TEST_F(GpuWork, OfAProductOfRows) {
  // Queries, keys and values of two whole tiles of rows.
  constexpr double rows = 256, columns = (4 + 2 * 2) * 64, depth = 512;
  LaunchWork product = find(measure(0, 256), "rows_product_512x512_");
  EXPECT_EQ(product.launches, 7);
  EXPECT_EQ(product.tensorOperations, 7 * 2 * rows * columns * depth);
  EXPECT_EQ(product.byteTensorOperations, 0);
  // What is read and written, and a sector of the step's table.
  EXPECT_EQ(product.readBytes,
            7 * ((2 * rows + kWeightBytes * columns) * depth + 32));
  EXPECT_EQ(product.writtenBytes, 7 * 4 * rows * columns);
}

TEST_F(GpuWork, OfAVectorProduct) {
  // The head: a multiplication and an addition for each weight.
  LaunchWork head = find(measure(40, 0), "vector_product_2048x512_");
  EXPECT_EQ(head.launches, 1);
  EXPECT_GE(head.floatOperations, 2.0 * 2048 * 512);
  // A subtraction makes a number of a quant. Sums of blocks are scaled, and
  // lanes add up what each has.
  EXPECT_LE(head.floatOperations, 1.2 * 3 * 2048 * 512);
  EXPECT_EQ(head.readBytes, kWeightBytes * 2048 * 512 + 2 * 512);
  EXPECT_EQ(head.writtenBytes, 4.0 * 2048);
}

// A sample tells what all of the grid do.
TEST_F(GpuWork, OfASample) {
  for (auto [start, rows] :
       {std::pair<int64_t, int64_t>{0, 700}, {300, 512}, {900, 0}}) {
    std::vector<LaunchWork> all = measure(start, rows);
    std::vector<LaunchWork> sample = measure(start, rows, {8, 50000});
    ASSERT_EQ(all.size(), sample.size());
    int64_t executed = 0, blocks = 0;
    for (auto [whole, part] : llvm::zip(all, sample)) {
      SCOPED_TRACE(whole.kernel + " behind " + std::to_string(start));
      EXPECT_EQ(whole.kernel, part.kernel);
      EXPECT_EQ(whole.launches, part.launches);
      EXPECT_EQ(whole.executed, whole.blocks);
      executed += part.executed;
      blocks += part.blocks;
      for (auto count :
           {&LaunchWork::readBytes, &LaunchWork::writtenBytes,
            &LaunchWork::tensorOperations, &LaunchWork::floatOperations,
            &LaunchWork::instructions, &LaunchWork::sharedWavefronts})
        EXPECT_NEAR(part.*count, whole.*count, 0.1 * whole.*count);
    }
    EXPECT_LT(executed, blocks);
  }
}

// What is cheap is executed whole.
TEST_F(GpuWork, OfSmallLaunchesAsAWhole) {
  for (const LaunchWork &work : measure(0, 256, {4, 1000000000}))
    EXPECT_EQ(work.executed, work.blocks) << work.kernel;
}

TEST_F(GpuWork, RefusesMoreThanThereIsRoomFor) {
  for (int64_t rows : {0, 1})
    EXPECT_EQ(llvm::toString(meter->measure(1024, rows, {}).takeError()),
              "a context of 1025 positions is more than the model's 1024");
}
