// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels without one of their barriers or waits: the emulator finds each to be
// missing, so each is needed, and the tests of whole kernels say that together
// they suffice.

#include "KernelModule.h"
#include "flow/Codegen/GPU/ExpertKernels.h"
#include "flow/Codegen/GPU/SelectionKernels.h"
#include "gtest/gtest.h"

#include <numeric>

using namespace flow;
using namespace flow::cuda;

namespace {

/// `ptx` without the lines, of kernel `kernel` alone, that `what` begins, one
/// missing at a time. The loop around a wait for a phase goes on at once.
std::vector<std::string> withoutOne(llvm::StringRef ptx, llvm::StringRef kernel,
                                    llvm::StringRef what) {
  llvm::StringRef instead =
      what == "mbarrier.try_wait" ? "setp.eq.b32 P1, 0, 0;" : "";
  std::vector<std::string> mutants;
  size_t begin = ptx.find((".entry " + kernel).str());
  size_t end = ptx.find(".entry ", begin + 1);
  for (size_t at = ptx.find(what, begin);
       at < end && at != llvm::StringRef::npos; at = ptx.find(what, at + 1)) {
    size_t stop = ptx.find(';', at);
    mutants.push_back(
        (ptx.take_front(at) + instead + ptx.drop_front(stop + 1)).str());
  }
  return mutants;
}

/// Runs every mutant of a kernel, and says how many there were.
template <typename MakeArguments>
size_t expectAllAreCaught(KernelModule &module, const KernelLaunch &launch,
                          int64_t rows, MakeArguments makeArguments) {
  size_t count = 0;
  for (llvm::StringRef what :
       {"bar.sync", "barrier.sync", "barrier.cta.sync", "cp.async.wait_group",
        "bar.warp.sync", "fence.acq_rel", "fence.proxy", "mbarrier.init",
        "mbarrier.arrive", "mbarrier.try_wait", "wgmma.fence",
        "wgmma.commit_group", "wgmma.wait_group"})
    for (const auto &[number, mutant] :
         llvm::enumerate(withoutOne(module.ptx(), launch.kernel, what))) {
      auto arguments = makeArguments();
      auto program = emulator::Program::create(mutant);
      if (!program) {
        ADD_FAILURE() << llvm::toString(program.takeError());
        continue;
      }
      llvm::Expected<emulator::Counters> ran =
          runKernel(**program, launch, rows, *arguments);
      EXPECT_FALSE(bool(ran)) << launch.kernel << " without its " << what.str()
                              << " number " << number;
      if (!ran)
        llvm::consumeError(ran.takeError());
      ++count;
    }
  return count;
}

} // namespace

TEST(Mutations, OfRowsProductsAreCaught) {
  constexpr Product product{128, 256};
  constexpr int64_t rows = 128;
  std::vector<uint16_t> x = someBf16(rows * product.depth, 1),
                        weights = someBf16(128 * product.depth, 2);
  std::vector<float> result(rows * 128);
  KernelModule module;
  KernelLaunch launch =
      buildRowsProduct(module.builder(), module.target(), product);
  EXPECT_GE(expectAllAreCaught(module, launch, rows,
                               [&] {
                                 auto arguments =
                                     std::make_unique<KernelArguments>();
                                 arguments->input(x).input(weights);
                                 arguments->output(result).step(0, rows);
                                 return arguments;
                               }),
            2U);
}

TEST(Mutations, OfWarpgroupProductsAreCaught) {
  // Many times around the ring, so that loops stay loops.
  constexpr Product product{128, 4096};
  constexpr int64_t rows = 128;
  std::vector<uint16_t> x = someBf16(rows * product.depth, 1),
                        weights = someBf16(128 * product.depth, 2);
  std::vector<float> result(rows * 128);
  KernelModule module("sm_90a");
  KernelLaunch launch =
      buildWarpgroupProduct(module.builder(), module.target(), product);
  // Eight mbarriers, their fence and a barrier; a wait, an arrival and a copy
  // on each side; and a fence, a commit and two waits of wgmma.
  EXPECT_GE(expectAllAreCaught(
                module, launch, rows,
                [&] {
                  auto arguments = std::make_unique<KernelArguments>();
                  arguments->matrix(x, product.depth, launch.boxes[0]);
                  arguments->matrix(weights, product.depth, launch.boxes[1]);
                  arguments->output(result).step(0, rows);
                  return arguments;
                }),
            8U + 2 + 4 + 4);
}

TEST(Mutations, OfVectorProductsAreCaught) {
  constexpr Product product{16, 8192};
  std::vector<uint16_t> x = someBf16(product.depth, 1),
                        weights = someBf16(16 * product.depth, 2);
  std::vector<float> result(16);
  KernelModule module;
  KernelLaunch launch =
      buildVectorProduct(module.builder(), module.target(), product);
  EXPECT_GE(
      expectAllAreCaught(module, launch, 1,
                         [&] {
                           auto arguments = std::make_unique<KernelArguments>();
                           arguments->input(x).input(weights).output(result);
                           return arguments;
                         }),
      1U);
}

TEST(Mutations, OfProductsOfBlocksAreCaught) {
  // Whatever the bytes are: only what is missing matters.
  for (WeightFormat format : {WeightFormat{8}, WeightFormat{4}}) {
    Product product{128, 8192, Epilogue::F32, 0, format};
    int64_t bytes = 128 * (8192 * format.bits / 8 + 8192 / 32 * 2);
    std::vector<uint8_t> weights(bytes, 1);
    std::vector<uint16_t> x = someBf16(product.depth, 1);
    std::vector<float> result(128);
    for (bool ofRows : {false, true}) {
      KernelModule module;
      KernelLaunch launch =
          ofRows
              ? buildRowsProduct(module.builder(), module.target(), product)
              : buildVectorProduct(module.builder(), module.target(), product);
      EXPECT_GE(expectAllAreCaught(module, launch, 1,
                                   [&] {
                                     auto arguments =
                                         std::make_unique<KernelArguments>();
                                     arguments->input(x).input(weights);
                                     arguments->output(result);
                                     if (ofRows)
                                       arguments->step(0, 1);
                                     return arguments;
                                   }),
                ofRows ? 2U : 1U);
    }
  }
}

TEST(Mutations, OfExpertsOfRowsAreCaught) {
  // More tiles than CTAs that share them, and a depth whose last step reads a
  // slot that the next tile fills first.
  constexpr ExpertMlp mlp{2, 1, 256, 16, 128};
  constexpr int32_t rows = 130;
  std::vector<uint16_t> x = someBf16(rows * mlp.width, 1),
                        weights = someBf16(2 * 2 * mlp.hidden * mlp.width, 2),
                        hidden(rows * mlp.hidden);
  std::vector<int32_t> experts(rows, 1), order(rows), bounds{0, 0, 0, rows};
  std::iota(order.begin(), order.end(), 0);
  KernelModule module;
  RowsExperts kernels =
      buildRowsExperts(module.builder(), module.target(), mlp);
  EXPECT_EQ(expectAllAreCaught(module, kernels.gates, /*rows=*/64,
                               [&] {
                                 auto arguments =
                                     std::make_unique<KernelArguments>();
                                 arguments->input(x).input(weights);
                                 arguments->input(order).input(bounds);
                                 arguments->output(hidden);
                                 return arguments;
                               }),
            4U);
  EXPECT_EQ(expectAllAreCaught(module, kernels.order, rows,
                               [&] {
                                 auto arguments =
                                     std::make_unique<KernelArguments>();
                                 arguments->input(experts).output(order);
                                 arguments->output(bounds).step(0, rows);
                                 return arguments;
                               }),
            1U);
}

TEST(Mutations, OfExpertsOfOneRowAreCaught) {
  constexpr ExpertMlp mlp{2, 2, 2048, 2048, 8};
  std::vector<uint16_t> x = someBf16(mlp.width, 1),
                        gates = someBf16(2 * 2 * mlp.hidden * mlp.width, 2),
                        down = someBf16(2 * mlp.columns * mlp.hidden, 3),
                        hidden = someBf16(2 * mlp.hidden, 4);
  std::vector<int32_t> experts{1, 0};
  std::vector<float> shares{0.5, 0.25}, result(mlp.columns);
  KernelModule module;
  VectorExperts kernels =
      buildVectorExperts(module.builder(), module.target(), mlp);
  EXPECT_GE(
      expectAllAreCaught(module, kernels.gates, 1,
                         [&] {
                           auto arguments = std::make_unique<KernelArguments>();
                           arguments->input(x).input(gates).input(experts);
                           arguments->output(hidden);
                           return arguments;
                         }),
      1U);
  EXPECT_GE(
      expectAllAreCaught(module, kernels.down, 1,
                         [&] {
                           auto arguments = std::make_unique<KernelArguments>();
                           arguments->input(hidden).input(down).input(experts);
                           arguments->input(shares).output(result);
                           return arguments;
                         }),
      1U);
}

TEST(Mutations, OfSumNormsAreCaught) {
  constexpr int64_t width = 512;
  std::vector<float> stream = someFloats(width, 1), branch = stream,
                     branchWeight = stream, weight = stream, sum = stream,
                     normed = stream;
  KernelModule module;
  KernelLaunch launch =
      buildSumNorm(module.builder(), module.target(),
                   {{width, 1e-6, true, RowType::F32}, true, false, 1e-6});
  EXPECT_EQ(expectAllAreCaught(module, launch, 1,
                               [&] {
                                 auto arguments =
                                     std::make_unique<KernelArguments>();
                                 arguments->input(stream).input(branch);
                                 arguments->input(branchWeight).input(weight);
                                 arguments->output(sum).output(normed);
                                 return arguments;
                               }),
            2U);
}

TEST(Mutations, OfNormedVectorProductsAreCaught) {
  constexpr Product product{64, 1024};
  std::vector<uint16_t> weights = someBf16(64 * product.depth, 2);
  std::vector<float> row = someFloats(product.depth, 1), sum = row, result(64);
  KernelModule module;
  KernelLaunch launch = buildNormedVectorProduct(
      module.builder(), module.target(), product,
      {{product.depth, 1e-6, true, RowType::Bf16}, true, false, 1e-6});
  EXPECT_GE(
      expectAllAreCaught(module, launch, 1,
                         [&] {
                           auto arguments = std::make_unique<KernelArguments>();
                           arguments->input(row).input(row).input(row);
                           arguments->input(row).input(weights).output(sum);
                           arguments->output(result);
                           return arguments;
                         }),
      4U);
}

TEST(Mutations, OfProductsOfRowsOfPartsAreCaught) {
  // Four sums over a CTA, and the row that it leaves for all warps.
  constexpr Product product{64, 1024};
  std::vector<uint16_t> weights = someBf16(64 * product.depth, 2);
  std::vector<float> row = someFloats(product.depth, 1), sum = row, result(64);
  SumNorm norm{{product.depth, 1e-6, true, RowType::Bf16}, true, false, 1e-6};
  norm.hasParts = true;
  norm.partEps = 1e-6;
  KernelModule module;
  KernelLaunch launch = buildNormedVectorProduct(
      module.builder(), module.target(), product, norm);
  EXPECT_GE(expectAllAreCaught(module, launch, 1,
                               [&] {
                                 auto arguments =
                                     std::make_unique<KernelArguments>();
                                 for (int i = 0; i != 7; ++i)
                                   arguments->input(row);
                                 arguments->input(weights).output(sum);
                                 arguments->output(result);
                                 return arguments;
                               }),
            6U);
}

TEST(Mutations, OfDecodeAttentionAreCaught) {
  for (int64_t headDim : {64, 256, 512}) {
    Attention shape{4, 1, headDim, 0, {}, 0.125};
    HeadRows heads{4, 1, headDim, 1e-6, /*hasNorms=*/true};
    // The new key is copied by another warp than the one that makes it.
    constexpr int32_t start = 277, capacity = 320;
    std::vector<float> product = someFloats(heads.columns(), 1),
                       weight = someFloats(headDim, 2),
                       angles = someFloats(headDim, 3);
    std::vector<uint16_t> keys = someBf16(capacity * headDim, 4),
                          values = someBf16(capacity * headDim, 5),
                          result = someBf16(4 * headDim, 6);
    KernelModule module;
    SplitAttention split =
        buildDecodeAttention(module.builder(), module.target(), shape, heads);
    std::vector<float> workspace(split.workspaceFloats);
    EXPECT_GE(expectAllAreCaught(
                  module, split.launch, 1,
                  [&] {
                    auto arguments = std::make_unique<KernelArguments>();
                    arguments->input(product).input(weight).input(weight);
                    arguments->input(angles).output(keys).output(values);
                    arguments->output(workspace).output(result);
                    arguments->step(start, 1).scalar(capacity);
                    return arguments;
                  }),
              8U);
  }
}

TEST(Mutations, OfTopKAreCaught) {
  // A thread compares keys that another has taken or swapped.
  std::vector<float> logits = someFloats(4096, 1), values(64);
  std::vector<int32_t> tokens(64);
  KernelModule module;
  TopKLaunches launches =
      buildTopK(module.builder(), module.target(), {4096, 64});
  EXPECT_GE(expectAllAreCaught(module, launches.steps.front().launch, 1,
                               [&] {
                                 auto arguments =
                                     std::make_unique<KernelArguments>();
                                 arguments->input(logits).output(values);
                                 arguments->output(tokens);
                                 return arguments;
                               }),
            2U);
}

TEST(Mutations, OfAttentionWithSpansAreCaught) {
  // More tiles of keys than the rows see without the span.
  Attention shape{4, 1, 64, 64, {}, 0.125, Attention::Spans::Free};
  constexpr int32_t start = 200, rows = 100, capacity = 320;
  std::vector<uint16_t> query = someBf16(rows * 4 * 64, 1),
                        keys = someBf16(capacity * 64, 2),
                        values = someBf16(capacity * 64, 3), result = query;
  std::vector<int32_t> spans{20, 290};
  KernelModule module;
  KernelLaunch launch =
      buildRowsAttention(module.builder(), module.target(), shape);
  EXPECT_GE(
      expectAllAreCaught(module, launch, rows,
                         [&] {
                           auto arguments = std::make_unique<KernelArguments>();
                           arguments->input(query).input(keys).input(values);
                           arguments->input(spans).output(result);
                           arguments->step(start, rows, 1).scalar(capacity);
                           return arguments;
                         }),
      4U);
}

TEST(Mutations, OfAttentionAreCaught) {
  for (int64_t headDim : {64, 256, 512}) {
    Attention shape{4, 1, headDim, 0, {}, 0.125};
    constexpr int32_t start = 200, rows = 60, capacity = 320;
    std::vector<uint16_t> query = someBf16(rows * 4 * headDim, 1),
                          keys = someBf16(capacity * headDim, 2),
                          values = someBf16(capacity * headDim, 3),
                          result = query;
    KernelModule module;
    KernelLaunch launch =
        buildRowsAttention(module.builder(), module.target(), shape);
    EXPECT_GE(
        expectAllAreCaught(
            module, launch, rows,
            [&] {
              auto arguments = std::make_unique<KernelArguments>();
              arguments->input(query).input(keys).input(values);
              arguments->output(result).step(start, rows).scalar(capacity);
              return arguments;
            }),
        4U);
  }
}

TEST(Mutations, OfWarpgroupAttentionAreCaught) {
  // One warpgroup and two, more tiles than stages, and a last tile with rows
  // that hold no values.
  for (Attention shape : {Attention{4, 1, 64, 0, {}, 0.125},
                          Attention{16, 4, 64, 0, {}, 0.125}}) {
    constexpr int32_t start = 300, rows = 40, capacity = 384;
    int64_t columns = shape.kvHeads * shape.headDim;
    std::vector<uint16_t> query =
                              someBf16(rows * shape.heads * shape.headDim, 1),
                          keys = someBf16(capacity * columns, 2),
                          values = someBf16(capacity * columns, 3),
                          result = query;
    KernelModule module("sm_90a");
    KernelLaunch launch =
        buildWarpgroupAttention(module.builder(), module.target(), shape);
    // Six mbarriers, their fence and a barrier; the query's wait, fence and
    // barrier; fence and barrier of values that are not there; two waits and
    // three copies of the fetching warp, three waits and two arrivals of
    // others; three fences, four commits and four waits of wgmma.
    EXPECT_GE(expectAllAreCaught(
                  module, launch, rows,
                  [&] {
                    auto arguments = std::make_unique<KernelArguments>();
                    arguments->matrix(keys, columns, launch.boxes[0]);
                    arguments->matrix(values, columns, launch.boxes[1]);
                    arguments->input(query).output(result);
                    arguments->step(start, rows).scalar(capacity);
                    return arguments;
                  }),
              6U + 2 + 3 + 2 + 5 + 5 + 11);
  }
}
