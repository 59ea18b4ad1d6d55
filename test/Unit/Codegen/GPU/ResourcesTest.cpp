// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What ptxas makes of the kernels: no spills, and as many CTAs on an SM as they
// are meant for. Skipped where there is no ptxas.

#include "KernelModule.h"
#include "flow/Codegen/GPU/ExpertKernels.h"
#include "flow/Codegen/GPU/SelectionKernels.h"
#include "gtest/gtest.h"

using namespace flow;
using namespace flow::cuda;

namespace {

/// Registers of an SM of every architecture that is known.
constexpr int64_t kRegistersOfSm = 65536;

class Resources : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    ptxas = findPtxas();
    if (ptxas.empty())
      GTEST_SKIP() << "no ptxas";
  }

  /// Assembles `launches` and checks that nothing is spilled and that
  /// as many CTAs of each as it says fit on an SM.
  void check(KernelModule &module, llvm::ArrayRef<KernelLaunch> launches) {
    llvm::Expected<AssembledPtx> assembled =
        assemblePtx(module.ptx(), module.chip(), ptxas);
    ASSERT_TRUE(bool(assembled)) << llvm::toString(assembled.takeError());
    ASSERT_EQ(assembled->kernels.size(), launches.size());
    for (const KernelResources &kernel : assembled->kernels) {
      SCOPED_TRACE(kernel.kernel);
      const auto *launch =
          llvm::find_if(launches, [&](const KernelLaunch &launch) {
            return launch.kernel == kernel.kernel;
          });
      ASSERT_NE(launch, launches.end());
      EXPECT_EQ(kernel.spillStores, 0);
      EXPECT_EQ(kernel.spillLoads, 0);
      EXPECT_EQ(kernel.staticShared, 0);
      EXPECT_GT(kernel.registers, 0);
      EXPECT_LE(kernel.registers * launch->threads * launch->blocksOfSm,
                kRegistersOfSm);
      // The driver keeps a kilobyte of each CTA.
      EXPECT_LE((launch->sharedBytes + 1024) * launch->blocksOfSm,
                module.chip().sharedMemory);
      RecordProperty(kernel.kernel, static_cast<int>(kernel.registers));
    }
  }

  std::string ptxas;
};

} // namespace

/// Of the layers of 270M, 1B and 4B, and a head.
static const Product kRowsProducts[] = {{1536, 640},
                                        {4096, 640, Epilogue::Gated},
                                        {640, 2048},
                                        {13824, 1152, Epilogue::Gated},
                                        {2560, 2048},
                                        {20480, 2560, Epilogue::Gated},
                                        {640, 1024, Epilogue::Bf16},
                                        {262144, 640, Epilogue::Softcap, 30.0}};

TEST_P(Resources, RowsProducts) {
  KernelModule module(GetParam());
  std::vector<KernelLaunch> launches;
  for (const Product &product : kRowsProducts)
    launches.push_back(
        buildRowsProduct(module.builder(), module.target(), product));
  check(module, launches);
}

TEST_P(Resources, WarpgroupProducts) {
  KernelModule module(GetParam());
  if (!module.chip().hasWarpgroups)
    GTEST_SKIP() << "no wgmma";
  std::vector<KernelLaunch> launches;
  for (const Product &product : kRowsProducts)
    launches.push_back(
        buildWarpgroupProduct(module.builder(), module.target(), product));
  // By tiles of 128 and of 256 columns.
  for (const Product &product :
       {Product{128, 640}, Product{4352, 640, Epilogue::Gated}})
    launches.push_back(
        buildWarpgroupProduct(module.builder(), module.target(), product));
  check(module, launches);
}

TEST_P(Resources, VectorProducts) {
  KernelModule module(GetParam());
  std::vector<KernelLaunch> launches;
  for (Product product :
       {Product{1536, 640}, Product{4096, 640, Epilogue::Gated},
        Product{640, 2048}, Product{13824, 1152, Epilogue::Gated},
        Product{640, 1024, Epilogue::Bf16},
        Product{262144, 640, Epilogue::Softcap, 30.0}})
    launches.push_back(
        buildVectorProduct(module.builder(), module.target(), product));
  check(module, launches);
}

TEST_P(Resources, NormedVectorProducts) {
  KernelModule module(GetParam());
  std::vector<KernelLaunch> launches;
  // Up to the widest layers, of 27B and 31B.
  for (Product product :
       {Product{1536, 640}, Product{4096, 640, Epilogue::Gated},
        Product{13824, 1152, Epilogue::Gated}, Product{4096, 2560},
        Product{20480, 2560, Epilogue::Gated}, Product{8192, 3840},
        Product{8192, 5376}, Product{43008, 5376, Epilogue::Gated}})
    for (bool hasBranchWeight : {false, true})
      launches.push_back(
          buildNormedVectorProduct(module.builder(), module.target(), product,
                                   {{product.depth, 1e-6, true, RowType::Bf16},
                                    hasBranchWeight,
                                    false}));
  // Behind a dense MLP and experts, of a router, and behind a gate.
  SumNorm parts{{2816, 1e-6, true, RowType::Bf16}, true, true, 1e-6};
  parts.hasParts = true;
  SumNorm alone{{2816, 1e-6, true, RowType::Bf16}};
  alone.hasBranch = false;
  SumNorm gated{{256}, true};
  gated.isNormed = false;
  gated.hasGate = true;
  launches.push_back(buildNormedVectorProduct(module.builder(), module.target(),
                                              {8192, 2816}, parts));
  launches.push_back(buildNormedVectorProduct(module.builder(), module.target(),
                                              {128, 2816}, alone));
  launches.push_back(buildNormedVectorProduct(module.builder(), module.target(),
                                              {2560, 256}, gated));
  check(module, launches);
}

/// The formats of Q8_0, Q6_K, Q2_K, Q4_0 and Q4_K, whose kernels differ most.
static const WeightFormat kFormats[] = {
    {8}, {8, 16, true}, {8, 16, true, true}, {4}, {4, 32, true, true}};

TEST_P(Resources, ProductsOfBlocks) {
  KernelModule module(GetParam());
  std::vector<KernelLaunch> launches;
  for (const WeightFormat &format : kFormats)
    for (Product product :
         {Product{4096, 640, Epilogue::Gated}, Product{640, 2048},
          Product{262144, 640, Epilogue::Softcap, 30.0}}) {
      product.weights = format;
      launches.push_back(
          buildRowsProduct(module.builder(), module.target(), product));
      launches.push_back(
          buildVectorProduct(module.builder(), module.target(), product));
    }
  check(module, launches);
}

TEST_P(Resources, Experts) {
  KernelModule module(GetParam());
  // Of 26B-A4B, and of many and of few experts.
  ExpertMlp mlp{128, 8, 2816, 704, 2816};
  RowsExperts rows = buildRowsExperts(module.builder(), module.target(), mlp);
  VectorExperts vector =
      buildVectorExperts(module.builder(), module.target(), mlp);
  std::vector<KernelLaunch> launches{rows.order, rows.gates,   rows.down,
                                     rows.sum,   vector.gates, vector.down};
  for (Router router :
       {Router{128, 8, 0.0188444}, Router{1024, 32, 1}, Router{4, 1, 1}})
    launches.push_back(buildRouter(module.builder(), module.target(), router));
  check(module, launches);
}

/// Of the layers of 270M, 1B, 4B, 12B, Gemma 2B, 9B and 27B, of heads of 512,
/// and of the smallest ones.
static const Attention kAttentions[] = {{4, 1, 256, 512, {}, 0.0625},
                                        {4, 1, 256, 0, {}, 0.0625},
                                        {8, 4, 256, 1024, {}, 0.0625},
                                        {8, 4, 256, 0, {}, 0.0625},
                                        {16, 8, 256, 1024, {}, 0.0625},
                                        {16, 8, 256, 0, {}, 0.0625},
                                        {8, 1, 256, 0, {}, 0.0625},
                                        {16, 8, 256, 4096, 50.0, 0.0625},
                                        {32, 16, 128, 4096, 50.0, 0.083333},
                                        {32, 16, 128, 0, {}, 0.077152},
                                        {8, 2, 512, 0, {}, 1},
                                        {16, 1, 512, 0, {}, 1},
                                        {8, 2, 64, 0, {}, 0.125}};

TEST_P(Resources, WarpgroupAttention) {
  KernelModule module(GetParam());
  if (!module.chip().hasWarpgroups)
    GTEST_SKIP() << "no wgmma";
  std::vector<KernelLaunch> launches;
  for (const Attention &attention : kAttentions)
    if (attention.headDim <= 256)
      launches.push_back(buildWarpgroupAttention(module.builder(),
                                                 module.target(), attention));
  // Of many heads of 64, by two warpgroups.
  for (std::optional<double> softcap : {std::optional<double>(), {50.0}})
    launches.push_back(buildWarpgroupAttention(
        module.builder(), module.target(), {32, 8, 64, 512, softcap, 0.125}));
  check(module, launches);
}

TEST_P(Resources, RowsAttention) {
  KernelModule module(GetParam());
  std::vector<KernelLaunch> launches;
  for (const Attention &attention : kAttentions)
    launches.push_back(
        buildRowsAttention(module.builder(), module.target(), attention));
  check(module, launches);
}

TEST_P(Resources, RowsAttentionWithSpans) {
  KernelModule module(GetParam());
  std::vector<KernelLaunch> launches;
  for (Attention attention : kAttentions) {
    attention.spans = Attention::Spans::Free;
    launches.push_back(
        buildRowsAttention(module.builder(), module.target(), attention));
    if (attention.window == 0)
      continue;
    attention.spans = Attention::Spans::Windowed;
    launches.push_back(
        buildRowsAttention(module.builder(), module.target(), attention));
  }
  check(module, launches);
}

TEST_P(Resources, TopK) {
  KernelModule module(GetParam());
  std::vector<KernelLaunch> launches;
  for (int64_t count : {1, 64, 2048})
    for (const TopKLaunches::Step &step :
         buildTopK(module.builder(), module.target(), {262144, count}).steps)
      launches.push_back(step.launch);
  check(module, launches);
}

TEST_P(Resources, SplitAttention) {
  KernelModule module(GetParam());
  std::vector<KernelLaunch> launches;
  for (const Attention &attention : kAttentions) {
    SplitAttention split =
        buildSplitAttention(module.builder(), module.target(), attention);
    launches.push_back(split.launch);
    HeadRows heads{attention.heads,   attention.kvHeads,
                   attention.headDim, 1e-6,
                   /*hasNorms=*/true, /*hasValueNorm=*/true};
    launches.push_back(buildDecodeAttention(module.builder(), module.target(),
                                            attention, heads)
                           .launch);
    // Queries alone.
    heads.kvHeads = 0;
    launches.push_back(buildDecodeAttention(module.builder(), module.target(),
                                            attention, heads)
                           .launch);
  }
  check(module, launches);
}

INSTANTIATE_TEST_SUITE_P(Chips, Resources,
                         testing::Values("sm_80", "sm_86", "sm_89", "sm_90",
                                         "sm_90a", "sm_100", "sm_120"),
                         [](const auto &info) { return info.param; });
