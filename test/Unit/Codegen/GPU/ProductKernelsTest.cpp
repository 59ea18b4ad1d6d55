// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products in the emulator against plain loops, over the edges of their tiles,
// and what they move and compute.

#include "KernelModule.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace flow;
using namespace flow::cuda;

namespace {

double gelu(double x) {
  return x / 2 *
         (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

/// A product, its operands, and what plain loops make of them.
class ProductRun {
public:
  ProductRun(const Product &product, int64_t rows)
      : product(product), rows(rows),
        x(someBf16(static_cast<size_t>(rows * product.depth), 1)),
        weights(someBf16(static_cast<size_t>(product.columns * product.depth),
                         2)) {}

  bool isBf16() const {
    return product.epilogue == Epilogue::Bf16 ||
           product.epilogue == Epilogue::Gated;
  }
  int64_t resultColumns() const {
    return product.epilogue == Epilogue::Gated ? product.columns / 2
                                               : product.columns;
  }

  emulator::Counters run(KernelModule &module, const KernelLaunch &launch,
                         bool hasStep) {
    KernelArguments arguments;
    if (launch.boxes.empty())
      arguments.input(x).input(weights);
    else
      arguments.matrix(x, product.depth, launch.boxes[0])
          .matrix(weights, product.depth, launch.boxes[1]);
    addResult(arguments);
    if (hasStep)
      arguments.step(0, static_cast<int32_t>(rows));
    return runKernel(module, launch, rows, arguments);
  }

  /// Runs a kernel that makes the row itself, of what `arguments` hold already,
  /// as the norm of a sum that becomes `sum` unless that is empty. That row is
  /// `row`.
  emulator::Counters run(KernelModule &module, const KernelLaunch &launch,
                         KernelArguments &arguments, std::vector<float> &sum,
                         std::vector<uint16_t> row) {
    x = std::move(row);
    arguments.input(weights);
    if (!sum.empty())
      arguments.output(sum);
    addResult(arguments);
    return runKernel(module, launch, 1, arguments);
  }

  /// Compares every result with that of doubles, within what K sums in f32, the
  /// functions behind them and a rounding may add.
  void check() const {
    for (int64_t t = 0; t != rows; ++t)
      for (int64_t n = 0; n != resultColumns(); ++n) {
        double bound, expected = result(t, n, bound);
        size_t at = static_cast<size_t>(t * resultColumns() + n);
        double got = isBf16() ? bf16ToFloat(halves[at]) : floats[at];
        ASSERT_NEAR(got, expected, bound) << "row " << t << " column " << n;
      }
  }

private:
  void addResult(KernelArguments &arguments) {
    auto count = static_cast<size_t>(rows * resultColumns());
    floats.assign(isBf16() ? 0 : count, NAN);
    halves.assign(isBf16() ? count : 0, 0x7fc0);
    if (isBf16())
      arguments.output(halves);
    else
      arguments.output(floats);
  }

  /// The sum of column `n`, and that of its terms without signs.
  std::pair<double, double> sum(int64_t t, int64_t n) const {
    double total = 0, size = 0;
    for (int64_t k = 0; k != product.depth; ++k) {
      double term = static_cast<double>(bf16ToFloat(x[t * product.depth + k])) *
                    bf16ToFloat(weights[n * product.depth + k]);
      total += term;
      size += std::abs(term);
    }
    return {total, size};
  }

  double result(int64_t t, int64_t n, double &bound) const {
    auto depth = static_cast<double>(product.depth);
    if (product.epilogue == Epilogue::Gated) {
      int64_t column = n / 16 * 32 + n % 16;
      auto [gate, gateSize] = sum(t, column);
      auto [up, upSize] = sum(t, column + 16);
      double exact = gelu(gate) * up;
      // gelu grows by no more than 1.13 of its argument; its tanh is within
      // 2^-21 of exact.
      double gateBound = 1.13 * depth * kUnitF32 * gateSize;
      bound = gateBound * (std::abs(up) + depth * kUnitF32 * upSize) +
              std::abs(gelu(gate)) * depth * kUnitF32 * upSize +
              0x1p-20 * std::abs(gate * up);
      bound += kUnitBf16 * (std::abs(exact) + bound);
      return exact;
    }
    auto [total, size] = sum(t, n);
    bound = depth * kUnitF32 * size;
    if (product.epilogue == Epilogue::Softcap) {
      bound += product.cap * 0x1p-20;
      return product.cap * std::tanh(total / product.cap);
    }
    if (isBf16())
      bound += kUnitBf16 * (std::abs(total) + bound);
    return total;
  }

  Product product;
  int64_t rows;
  std::vector<uint16_t> x, weights;
  std::vector<float> floats;
  std::vector<uint16_t> halves;
};

class RowsProducts : public testing::TestWithParam<Product> {};
class WarpgroupProducts : public testing::TestWithParam<Product> {};
class VectorProducts : public testing::TestWithParam<Product> {};

} // namespace

TEST_P(RowsProducts, AgreeWithLoops) {
  KernelModule module;
  KernelLaunch launch =
      buildRowsProduct(module.builder(), module.target(), GetParam());
  for (int64_t rows : {1, 15, 16, 17, 127, 128, 129}) {
    SCOPED_TRACE(launch.kernel + " of " + std::to_string(rows) + " rows");
    ProductRun run(GetParam(), rows);
    emulator::Counters counters = run.run(module, launch, true);
    run.check();
    EXPECT_EQ(counters.bankConflicts, 0U);
    // Four products of matrices an ldmatrix.
    EXPECT_EQ(counters.mma, 4 * counters.ldmatrix);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, RowsProducts,
    testing::Values(Product{128, 64},
                    // A depth that ends within a tile, columns that do.
                    Product{136, 72}, Product{64, 8},
                    Product{192, 96, Epilogue::Bf16},
                    Product{64, 40, Epilogue::Gated},
                    Product{256, 64, Epilogue::Gated},
                    Product{136, 32, Epilogue::Softcap, 2.0}));

TEST_P(WarpgroupProducts, AgreeWithLoops) {
  KernelModule module("sm_90a");
  KernelLaunch launch =
      buildWarpgroupProduct(module.builder(), module.target(), GetParam());
  for (int64_t rows : {1, 15, 16, 17, 127, 128, 129}) {
    SCOPED_TRACE(launch.kernel + " of " + std::to_string(rows) + " rows");
    ProductRun run(GetParam(), rows);
    emulator::Counters counters = run.run(module, launch, true);
    run.check();
    EXPECT_EQ(counters.bankConflicts, 0U);
    // Two boxes a stage feed 8 warps, each with 4 steps of 16 of its depth.
    EXPECT_GT(counters.bulkCopies, 0U);
    EXPECT_EQ(counters.wgmma, 8 * 4 * counters.bulkCopies / 2);
    EXPECT_EQ(counters.mma, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, WarpgroupProducts,
    testing::Values(Product{128, 64},
                    // More stages than the ring has, and a depth and columns
                    // that end within a tile.
                    Product{136, 392}, Product{64, 8}, Product{8, 136},
                    Product{192, 96, Epilogue::Bf16},
                    Product{64, 40, Epilogue::Gated},
                    Product{512, 320, Epilogue::Gated},
                    Product{136, 32, Epilogue::Softcap, 2.0},
                    // So many columns that tiles have 256 of them.
                    Product{4232, 136}, Product{4352, 72, Epilogue::Gated}));

TEST_P(VectorProducts, AgreeWithLoops) {
  const Product &product = GetParam();
  KernelModule module;
  KernelLaunch launch =
      buildVectorProduct(module.builder(), module.target(), product);
  ProductRun run(product, 1);
  emulator::Counters counters = run.run(module, launch, false);
  run.check();
  EXPECT_EQ(counters.bankConflicts, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, VectorProducts,
    testing::Values(Product{128, 64}, Product{136, 72}, Product{9, 256},
                    Product{64, 8}, Product{40, 640}, Product{40, 2048},
                    Product{192, 520, Epilogue::Bf16},
                    Product{64, 264, Epilogue::Gated},
                    Product{256, 640, Epilogue::Gated},
                    Product{136, 32, Epilogue::Softcap, 2.0},
                    // Of several results a warp.
                    Product{8192, 16}, Product{16384, 16, Epilogue::Gated}));

namespace {

/// What a sum and its norm are made of.
struct SumNormInputs {
  explicit SumNormInputs(int64_t width)
      : stream(someFloats(width, 7)), branch(someFloats(width, 8)),
        branchWeight(someFloats(width, 9)), scale{0.75F},
        weight(someFloats(width, 10)) {}

  void addTo(KernelArguments &arguments, const SumNorm &norm) const {
    arguments.input(stream).input(branch);
    if (norm.hasBranchWeight)
      arguments.input(branchWeight);
    if (norm.hasSumScale)
      arguments.input(scale);
    if (norm.isNormed)
      arguments.input(weight);
  }

  std::vector<float> stream, branch, branchWeight, scale, weight;
};

} // namespace

TEST(NormedVectorProducts, AgreeWithTheirTwoParts) {
  // Of these widths both kernels add squares in the same order.
  for (int64_t depth : {8, 72, 512, 2056, 2560})
    for (Product product :
         {Product{72, depth}, Product{64, depth, Epilogue::Gated}})
      for (int kind : {0, 1, 2}) {
        bool isPlain = kind == 0, isNormed = kind != 2;
        SumNorm norm{{depth, 1e-6, true, RowType::Bf16},
                     !isPlain,
                     !isPlain,
                     1e-5,
                     isNormed};
        SumNormInputs inputs(depth);
        std::vector<float> sum(depth, NAN), fusedSum = sum;
        std::vector<uint16_t> row(depth, 0x7fc0);
        KernelModule module;
        KernelLaunch apart =
            buildSumNorm(module.builder(), module.target(), norm);
        KernelLaunch fused = buildNormedVectorProduct(
            module.builder(), module.target(), product, norm);
        SCOPED_TRACE(fused.kernel);
        KernelArguments first, second;
        inputs.addTo(first, norm);
        first.output(sum).output(row);
        runKernel(module, apart, 1, first);
        inputs.addTo(second, norm);
        ProductRun run(product, 1);
        emulator::Counters counters =
            run.run(module, fused, second, fusedSum, row);
        EXPECT_EQ(counters.bankConflicts, 0U);
        EXPECT_EQ(sum, fusedSum);
        run.check();
      }
}

namespace {

/// Rows that kernels of their own make, for a product that makes them itself.
class RowParts {
public:
  std::vector<float> normed(const std::vector<float> &x,
                            const std::vector<float> &weight, double eps) {
    std::vector<float> result(x.size(), NAN);
    runNorm(x, weight, eps, RowType::F32,
            [&](KernelArguments &arguments) { arguments.output(result); });
    return result;
  }

  std::vector<uint16_t> rounded(const std::vector<float> &x,
                                const std::vector<float> &weight, double eps) {
    std::vector<uint16_t> result(x.size(), 0x7fc0);
    runNorm(x, weight, eps, RowType::Bf16,
            [&](KernelArguments &arguments) { arguments.output(result); });
    return result;
  }

  std::vector<float> added(const std::vector<float> &x,
                           const std::vector<float> &y) {
    std::vector<float> result(x.size(), NAN);
    KernelArguments arguments;
    arguments.input(x).input(y).output(result);
    runElements(ElementOp::Add, x.size(), arguments);
    return result;
  }

  std::vector<uint16_t> gated(const std::vector<float> &x,
                              const std::vector<float> &y) {
    std::vector<uint16_t> result(x.size(), 0x7fc0);
    KernelArguments arguments;
    arguments.input(x).input(y).output(result);
    runElements(ElementOp::Gate, x.size(), arguments);
    return result;
  }

private:
  template <typename AddResult>
  void runNorm(const std::vector<float> &x, const std::vector<float> &weight,
               double eps, RowType type, AddResult addResult) {
    KernelModule module;
    RowNorm norm{static_cast<int64_t>(x.size()), eps, true, type};
    KernelLaunch launch = buildRowNorm(module.builder(), module.target(), norm);
    KernelArguments arguments;
    arguments.input(x).input(weight);
    addResult(arguments);
    runKernel(module, launch, 1, arguments);
  }

  void runElements(ElementOp op, size_t width, KernelArguments &arguments) {
    KernelModule module;
    runKernel(module,
              buildElements(module.builder(), module.target(), op,
                            static_cast<int64_t>(width)),
              1, arguments);
  }
};

constexpr int64_t kWidths[] = {8, 72, 512, 2056, 2560};

} // namespace

// The row of a router: no sum, and none is stored.
TEST(NormedVectorProducts, OfNormsWithoutSums) {
  for (int64_t depth : kWidths) {
    SumNorm norm{{depth, 1e-6, true, RowType::Bf16}};
    norm.hasBranch = false;
    SumNormInputs inputs(depth);
    Product product{72, depth};
    KernelModule module;
    KernelLaunch launch = buildNormedVectorProduct(
        module.builder(), module.target(), product, norm);
    SCOPED_TRACE(launch.kernel);
    KernelArguments arguments;
    arguments.input(inputs.stream).input(inputs.weight);
    std::vector<float> noSum;
    ProductRun run(product, 1);
    run.run(module, launch, arguments, noSum,
            RowParts().rounded(inputs.stream, inputs.weight, 1e-6));
    run.check();
  }
}

// The row behind the gate of a layer's embedding, which is a sum with a norm.
TEST(NormedVectorProducts, OfGatedSums) {
  for (int64_t depth : kWidths) {
    SumNorm norm{{depth}};
    norm.hasBranchWeight = true;
    norm.branchEps = 1e-3;
    norm.isNormed = false;
    norm.hasGate = true;
    SumNormInputs inputs(depth);
    std::vector<float> gate = someFloats(depth, 11), noSum;
    Product product{72, depth};
    KernelModule module;
    KernelLaunch launch = buildNormedVectorProduct(
        module.builder(), module.target(), product, norm);
    SCOPED_TRACE(launch.kernel);
    KernelArguments arguments;
    inputs.addTo(arguments, norm);
    arguments.input(gate);
    RowParts parts;
    ProductRun run(product, 1);
    run.run(module, launch, arguments, noSum,
            parts.gated(gate,
                        parts.added(inputs.stream,
                                    parts.normed(inputs.branch,
                                                 inputs.branchWeight, 1e-3))));
    run.check();
  }
}

// The row behind a dense MLP and experts, each with a norm of its own.
TEST(NormedVectorProducts, OfBranchesOfTwoParts) {
  for (int64_t depth : kWidths) {
    SumNorm norm{{depth, 1e-6, true, RowType::Bf16}, true, true, 1e-5};
    SumNormInputs inputs(depth);
    std::vector<float> other = someFloats(depth, 12),
                       otherWeight = someFloats(depth, 13),
                       partWeight = someFloats(depth, 14);
    RowParts parts;
    std::vector<float> branch =
        parts.added(parts.normed(inputs.branch, partWeight, 1e-4),
                    parts.normed(other, otherWeight, 1e-4));
    std::vector<float> sum(depth, NAN), fusedSum = sum, again = sum;
    std::vector<uint16_t> row(depth, 0x7fc0), rowAgain = row;
    KernelModule module;
    KernelLaunch apart = buildSumNorm(module.builder(), module.target(), norm);
    norm.hasParts = true;
    norm.partEps = 1e-4;
    Product product{72, depth};
    KernelLaunch together =
        buildSumNorm(module.builder(), module.target(), norm);
    KernelLaunch fused = buildNormedVectorProduct(
        module.builder(), module.target(), product, norm);
    SCOPED_TRACE(fused.kernel);
    auto addParts = [&](KernelArguments &arguments) {
      arguments.input(inputs.stream).input(inputs.branch).input(partWeight);
      arguments.input(other).input(otherWeight).input(inputs.branchWeight);
      arguments.input(inputs.scale).input(inputs.weight);
    };
    KernelArguments first, second, third;
    first.input(inputs.stream).input(branch).input(inputs.branchWeight);
    first.input(inputs.scale).input(inputs.weight).output(sum).output(row);
    runKernel(module, apart, 1, first);
    addParts(second);
    second.output(again).output(rowAgain);
    runKernel(module, together, 1, second);
    EXPECT_EQ(sum, again);
    EXPECT_EQ(row, rowAgain);
    addParts(third);
    ProductRun run(product, 1);
    run.run(module, fused, third, fusedSum, row);
    EXPECT_EQ(sum, fusedSum);
    run.check();
  }
}

// Each byte of the weights is read once, in whole sectors.
TEST(VectorProductTraffic, IsTheLeast) {
  constexpr Product product{64, 640};
  KernelModule module;
  KernelLaunch launch =
      buildVectorProduct(module.builder(), module.target(), product);
  ProductRun run(product, 1);
  emulator::Counters counters = run.run(module, launch, false);
  uint64_t weightBytes = 2 * product.columns * product.depth;
  // Each warp reads the row that it multiplies with, too.
  EXPECT_EQ(counters.globalBytesRead, 2 * weightBytes);
  EXPECT_EQ(32 * counters.globalSectorsRead, counters.globalBytesRead);
}
