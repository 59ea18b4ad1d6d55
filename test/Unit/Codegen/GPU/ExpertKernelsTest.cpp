// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of experts in the emulator against plain loops.

#include "flow/Codegen/GPU/ExpertKernels.h"
#include "KernelModule.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <numeric>

using namespace flow;
using namespace flow::cuda;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Choices and shares of a router, and what it made them of.
class RouterRun {
public:
  RouterRun(const Router &router, std::vector<float> logits)
      : router(router), logits(std::move(logits)),
        scale(someFloats(static_cast<size_t>(router.experts), 7)) {
    rows = static_cast<int64_t>(this->logits.size()) / router.experts;
    experts.assign(static_cast<size_t>(rows * router.chosen), -1);
    shares.assign(experts.size(), NAN);
    KernelModule module;
    KernelLaunch launch =
        buildRouter(module.builder(), module.target(), router);
    KernelArguments arguments;
    arguments.input(this->logits).input(scale);
    arguments.output(experts).output(shares);
    runKernel(module, launch, rows, arguments);
  }

  /// Compares choices with a sort, of equals the first, and shares with
  /// doubles: within what flow.route_experts states.
  void check() const {
    for (int64_t t = 0; t != rows; ++t) {
      std::vector<float> z(static_cast<size_t>(router.experts));
      for (int64_t e = 0; e != router.experts; ++e)
        z[e] =
            static_cast<float>(router.factor) * logits[t * router.experts + e];
      std::vector<int32_t> order(z.size());
      std::iota(order.begin(), order.end(), 0);
      llvm::sort(order, [&](int32_t a, int32_t b) {
        return z[a] > z[b] || (z[a] == z[b] && a < b);
      });
      double total = 0;
      for (int64_t j = 0; j != router.chosen; ++j)
        total += std::exp(static_cast<double>(z[order[j]]) - z[order[0]]);
      // A unit in the last place or two of ex2 and of the product that puts
      // back what its argument has lost.
      constexpr double expError = 6 * kUnitF32;
      double bound = (2 * std::abs(z[order[0]]) +
                      2 * std::abs(z[order[router.chosen - 1]]) +
                      static_cast<double>(router.chosen) + 4) *
                         kUnitF32 +
                     2 * expError;
      for (int64_t j = 0; j != router.chosen; ++j) {
        int64_t at = t * router.chosen + j;
        ASSERT_EQ(experts[at], order[j]) << "row " << t << " choice " << j;
        double exact =
            std::exp(static_cast<double>(z[order[j]]) - z[order[0]]) / total *
            scale[order[j]];
        ASSERT_NEAR(shares[at], exact, std::abs(exact) * bound);
      }
    }
  }

  Router router;
  int64_t rows;
  std::vector<float> logits, scale, shares;
  std::vector<int32_t> experts;
};

double gelu(double x) {
  return x / 2 *
         (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

/// A result, and what it may err by.
struct Bounded {
  double value = 0, bound = 0;
};

/// `depth` products in f32.
Bounded dot(const uint16_t *x, const uint16_t *w, int64_t depth) {
  Bounded sum;
  double size = 0;
  for (int64_t i = 0; i != depth; ++i) {
    double term = static_cast<double>(bf16ToFloat(x[i])) * bf16ToFloat(w[i]);
    sum.value += term;
    size += std::abs(term);
  }
  sum.bound = static_cast<double>(depth) * kUnitF32 * size;
  return sum;
}

/// `gelu(gate) * up` as bf16: gelu grows by no more than 1.13 of its argument;
/// its tanh is within 2^-21 of exact.
Bounded gated(Bounded gate, Bounded up) {
  Bounded result{gelu(gate.value) * up.value};
  result.bound = 1.13 * gate.bound * (std::abs(up.value) + up.bound) +
                 std::abs(gelu(gate.value)) * up.bound +
                 0x1p-20 * std::abs(gate.value * up.value);
  result.bound += kUnitBf16 * (std::abs(result.value) + result.bound);
  return result;
}

/// Experts' MLPs, rows that chose among them, and what loops make of that.
class ExpertRun {
public:
  ExpertRun(const ExpertMlp &mlp, int64_t rows)
      : mlp(mlp), rows(rows), x(someBf16(count(rows * mlp.width), 1)),
        gates(someBf16(count(mlp.experts * 2 * mlp.hidden * mlp.width), 2)),
        down(someBf16(count(mlp.experts * mlp.columns * mlp.hidden), 3)),
        shares(someFloats(count(rows * mlp.chosen), 4)),
        hidden(count(rows * mlp.chosen * mlp.hidden), 0x7fc0),
        parts(count(rows * mlp.chosen * mlp.columns), NAN),
        result(count(rows * mlp.columns), NAN), order(shares.size(), -1),
        bounds(count(2 * mlp.experts), -1) {
    // Different experts for a row, the first one for all, some for none.
    int64_t used = std::max(mlp.chosen, mlp.experts * 3 / 4);
    for (int64_t t = 0; t != rows; ++t)
      for (int64_t j = 0; j != mlp.chosen; ++j)
        experts.push_back(static_cast<int32_t>(
            j == 0 ? 0 : 1 + (t * 5 + j) % std::max<int64_t>(used - 1, 1)));
  }

  static size_t count(int64_t number) { return static_cast<size_t>(number); }

  emulator::Counters runOrder(KernelModule &module,
                              const RowsExperts &kernels) {
    KernelArguments arguments;
    arguments.input(experts).output(order).output(bounds);
    arguments.step(3, static_cast<int32_t>(rows));
    return runKernel(module, kernels.order, rows, arguments);
  }
  emulator::Counters runRowsGates(KernelModule &module,
                                  const RowsExperts &kernels) {
    KernelArguments arguments;
    arguments.input(x).input(gates).input(order).input(bounds).output(hidden);
    return runKernel(module, kernels.gates, rows, arguments);
  }
  emulator::Counters runRowsDown(KernelModule &module,
                                 const RowsExperts &kernels) {
    KernelArguments arguments;
    arguments.input(hidden).input(down).input(order).input(bounds);
    arguments.output(parts);
    return runKernel(module, kernels.down, rows, arguments);
  }
  void runSum(KernelModule &module, const RowsExperts &kernels) {
    KernelArguments arguments;
    arguments.input(parts).input(shares).output(result);
    runKernel(module, kernels.sum, rows, arguments);
  }
  emulator::Counters runVectorGates(KernelModule &module,
                                    const VectorExperts &kernels) {
    KernelArguments arguments;
    arguments.input(x).input(gates).input(experts).output(hidden);
    return runKernel(module, kernels.gates, rows, arguments);
  }
  emulator::Counters runVectorDown(KernelModule &module,
                                   const VectorExperts &kernels) {
    KernelArguments arguments;
    arguments.input(hidden).input(down).input(experts).input(shares);
    arguments.output(result);
    return runKernel(module, kernels.down, rows, arguments);
  }

  /// Compares the order with a sort by expert and place.
  void checkOrder() const {
    std::vector<int32_t> expected(experts.size());
    std::iota(expected.begin(), expected.end(), 0);
    llvm::sort(expected, [&](int32_t a, int32_t b) {
      return std::pair(experts[a], a) < std::pair(experts[b], b);
    });
    EXPECT_EQ(order, expected);
    for (int32_t e = 0; e != mlp.experts; ++e) {
      EXPECT_EQ(bounds[2 * e],
                llvm::count_if(experts, [&](int32_t id) { return id < e; }));
      EXPECT_EQ(bounds[2 * e + 1] - bounds[2 * e], llvm::count(experts, e));
    }
  }

  /// Compares the inner rows with those of doubles.
  void checkHidden() const {
    for (int64_t choice = 0; choice != rows * mlp.chosen; ++choice)
      for (int64_t i = 0; i != mlp.hidden; ++i) {
        const uint16_t *row = &x[choice / mlp.chosen * mlp.width];
        const uint16_t *gate =
            &gates[(experts[choice] * 2 * mlp.hidden + i / 16 * 32 + i % 16) *
                   mlp.width];
        Bounded exact = gated(dot(row, gate, mlp.width),
                              dot(row, gate + 16 * mlp.width, mlp.width));
        ASSERT_NEAR(bf16ToFloat(hidden[choice * mlp.hidden + i]), exact.value,
                    exact.bound)
            << "choice " << choice << " column " << i;
      }
  }

  /// Compares the results with those of the inner rows, which are exact to the
  /// bit: a chain of k fused multiply-adds.
  void checkResult() const {
    for (int64_t t = 0; t != rows; ++t)
      for (int64_t i = 0; i != mlp.columns; ++i) {
        double sum = 0, bound = 0;
        for (int64_t j = 0; j != mlp.chosen; ++j) {
          int64_t choice = t * mlp.chosen + j;
          Bounded part =
              dot(&hidden[choice * mlp.hidden],
                  &down[(experts[choice] * mlp.columns + i) * mlp.hidden],
                  mlp.hidden);
          sum += shares[choice] * part.value;
          bound += std::abs(shares[choice]) *
                   (part.bound + static_cast<double>(mlp.chosen) * kUnitF32 *
                                     (std::abs(part.value) + part.bound));
        }
        ASSERT_NEAR(result[t * mlp.columns + i], sum, bound)
            << "row " << t << " column " << i;
      }
  }

  ExpertMlp mlp;
  int64_t rows;
  std::vector<uint16_t> x, gates, down;
  std::vector<float> shares;
  std::vector<uint16_t> hidden;
  std::vector<float> parts, result;
  std::vector<int32_t> experts, order, bounds;
};

class Experts : public testing::TestWithParam<ExpertMlp> {};

} // namespace

TEST(RouterKernel, ChoosesTheLargest) {
  for (Router router :
       {Router{1, 1, 1}, Router{5, 5, 0.125}, Router{31, 4, 0.25},
        Router{32, 4, 3}, Router{33, 32, 1}, Router{128, 8, 0.5},
        Router{1024, 3, 1}}) {
    SCOPED_TRACE(router.experts);
    constexpr int64_t rows = 3;
    std::vector<float> logits =
        someFloats(static_cast<size_t>(rows * router.experts), 11);
    for (float &logit : logits)
      logit *= 20;
    RouterRun(router, logits).check();
  }
}

// Of equal logits the first one is chosen, whichever lane has it.
TEST(RouterKernel, ChoosesTheFirstOfEquals) {
  std::vector<float> logits(2 * 70, 0.5F);
  logits[69] = logits[3] = logits[35] = 0.75F;
  // A zero is a zero, whatever its sign.
  for (int64_t e = 70; e != 140; ++e)
    logits[e] = e % 3 == 0 ? -0.0F : 0.0F;
  RouterRun(Router{70, 6, 2}, logits).check();
}

// The smallest logits still have an order, and a row that has nothing else gets
// experts that there are.
TEST(RouterKernel, ChoosesExpertsWhateverTheLogits) {
  std::vector<float> logits(3 * 40, -kInfinity);
  logits[39] = 1;
  logits[38] = 2;
  for (int64_t e = 40; e != 80; ++e)
    logits[e] = NAN;
  logits[80] = NAN;
  logits[81] = kInfinity;
  RouterRun run(Router{40, 4, 1}, logits);
  EXPECT_EQ(run.experts,
            (std::vector<int32_t>{38, 39, 0, 1, 0, 1, 2, 3, 1, 0, 2, 3}));
}

TEST_P(Experts, OfManyRowsAgreeWithLoops) {
  KernelModule module;
  RowsExperts kernels =
      buildRowsExperts(module.builder(), module.target(), GetParam());
  // Rows of the first expert, which all choose: a tile's, less, and more than
  // those of one tile of each CTA.
  for (int64_t rows : {1, 2, 63, 64, 65, 130, 200}) {
    SCOPED_TRACE(std::to_string(rows) + " rows");
    ExpertRun run(GetParam(), rows);
    run.runOrder(module, kernels);
    run.checkOrder();
    emulator::Counters counters = run.runRowsGates(module, kernels);
    run.checkHidden();
    EXPECT_EQ(counters.bankConflicts, 0U);
    counters = run.runRowsDown(module, kernels);
    EXPECT_EQ(counters.bankConflicts, 0U);
    // Eight products of matrices to three ldmatrix.
    EXPECT_EQ(3 * counters.mma, 8 * counters.ldmatrix);
    run.runSum(module, kernels);
    run.checkResult();
  }
}

TEST_P(Experts, OfOneRowAgreeWithLoops) {
  KernelModule module;
  VectorExperts kernels =
      buildVectorExperts(module.builder(), module.target(), GetParam());
  ExpertRun run(GetParam(), 1);
  emulator::Counters counters = run.runVectorGates(module, kernels);
  run.checkHidden();
  EXPECT_EQ(counters.bankConflicts, 0U);
  counters = run.runVectorDown(module, kernels);
  run.checkResult();
  EXPECT_EQ(counters.bankConflicts, 0U);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Experts,
                         testing::Values(ExpertMlp{4, 2, 64, 64, 128},
                                         // Tiles that end within depths and
                                         // columns.
                                         ExpertMlp{5, 3, 72, 48, 136},
                                         ExpertMlp{3, 1, 8, 16, 8},
                                         ExpertMlp{1, 1, 264, 80, 40},
                                         ExpertMlp{40, 8, 136, 32, 64}));

// Of the weights those of chosen experts are read, each of them once, in whole
// sectors.
TEST(ExpertTraffic, IsThatOfChosenExperts) {
  ExpertMlp mlp{16, 4, 512, 256, 128};
  KernelModule module;
  VectorExperts kernels =
      buildVectorExperts(module.builder(), module.target(), mlp);
  ExpertRun run(mlp, 1);
  emulator::Counters counters = run.runVectorGates(module, kernels);
  // Each warp reads the rows that it multiplies with, too, and the number of
  // the expert.
  uint64_t weightSectors = 2 * mlp.chosen * 2 * mlp.hidden * mlp.width / 32;
  uint64_t warps = mlp.chosen * mlp.hidden;
  EXPECT_EQ(counters.globalSectorsRead, 2 * weightSectors + warps);

  counters = run.runVectorDown(module, kernels);
  weightSectors = 2 * mlp.chosen * mlp.columns * mlp.hidden / 32;
  // A warp reads at most the number for each of its copies, those behind the
  // last one included, and the shares: less than another expert's weights.
  uint64_t most = mlp.columns * (2 * mlp.chosen + 7);
  EXPECT_GE(counters.globalSectorsRead, 2 * weightSectors);
  EXPECT_LE(counters.globalSectorsRead, 2 * weightSectors + most);
  EXPECT_LT(most, weightSectors / mlp.chosen);
}
