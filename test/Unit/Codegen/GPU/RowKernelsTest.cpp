// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of rows and heads in the emulator against plain loops.

#include "KernelModule.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace flow;
using namespace flow::cuda;

namespace {

/// `1 / sqrt(mean of squares + eps)` of `width` values.
double inverseRoot(const float *row, int64_t width, double eps) {
  double sum = 0;
  for (int64_t i = 0; i != width; ++i)
    sum += static_cast<double>(row[i]) * row[i];
  return 1 / std::sqrt(sum / static_cast<double>(width) + eps);
}

/// What a norm of `width` values may differ by, for each of its size: sums of
/// squares and products in f32, and the special function unit's root.
double normBound(int64_t width) {
  return (static_cast<double>(width) + 12) * kUnitF32;
}

} // namespace

TEST(RowKernels, EmbedScalesTheRowsOfTokens) {
  constexpr int64_t width = 72, vocab = 5;
  constexpr double scale = 8.5;
  std::vector<uint16_t> table = someBf16(vocab * width, 3);
  std::vector<int32_t> tokens{4, 0, 4};
  std::vector<float> result(tokens.size() * width, NAN);
  KernelModule module;
  KernelLaunch launch =
      buildEmbed(module.builder(), module.target(), width, scale);
  KernelArguments arguments;
  arguments.input(tokens).input(table).output(result);
  runKernel(module, launch, 3, arguments);
  for (size_t t = 0; t != tokens.size(); ++t)
    for (int64_t i = 0; i != width; ++i)
      EXPECT_EQ(result[t * width + i],
                bf16ToFloat(table[tokens[t] * width + i]) * 8.5F);
}

TEST(RowKernels, LastRowIsTheStepsLast) {
  std::vector<float> x = someFloats(3 * 20, 4), result(20, NAN);
  KernelModule module;
  KernelLaunch launch = buildLastRow(module.builder(), module.target(), 80);
  KernelArguments arguments;
  arguments.input(x).output(result).step(7, 3);
  runKernel(module, launch, 3, arguments);
  EXPECT_EQ(result, std::vector<float>(x.begin() + 40, x.end()));
}

TEST(RowKernels, AnglesAreThoseOfDoublePrecision) {
  constexpr int32_t rows = 3;
  for (RopeAngles rope :
       {RopeAngles{1e4, 1, 64, 32}, RopeAngles{1e6, 8, 512, 64},
        RopeAngles{1e4, 1, 256, 128}})
    for (int32_t start : {0, 1, 4095, 131069, 1 << 29}) {
      std::vector<float> result(rows * rope.headDim, NAN);
      KernelModule module;
      KernelLaunch launch =
          buildRopeAngles(module.builder(), module.target(), rope);
      SCOPED_TRACE(launch.kernel + " from " + std::to_string(start));
      KernelArguments arguments;
      arguments.output(result).step(start, rows);
      runKernel(module, launch, rows, arguments);
      for (int64_t row = 0; row != rows; ++row)
        for (int64_t i = 0; i != rope.headDim / 2; ++i) {
          double angle = 0;
          if (i < rope.pairs)
            angle =
                static_cast<double>(start + row) *
                std::pow(rope.theta, -2. * static_cast<double>(i) /
                                         static_cast<double>(rope.headDim)) /
                rope.factor;
          // One rounding to f32, that of the angle, and the rest of the series.
          double bound = kUnitF32 + std::abs(angle) * 0x1p-51 + 2e-11;
          const float *pair = &result[row * rope.headDim + 2 * i];
          ASSERT_NEAR(pair[0], std::cos(angle), bound);
          ASSERT_NEAR(pair[1], std::sin(angle), bound);
        }
    }
}

TEST(RowKernels, NormsAgreeWithLoops) {
  constexpr int64_t rows = 3;
  for (int64_t width : {4, 36, 512, 640})
    for (bool hasWeight : {false, true})
      for (RowType type : {RowType::F32, RowType::Bf16}) {
        std::vector<float> x = someFloats(rows * width, 5),
                           weight = someFloats(width, 6);
        std::vector<float> floats(rows * width, NAN);
        std::vector<uint16_t> halves(rows * width, 0x7fc0);
        KernelModule module;
        KernelLaunch launch = buildRowNorm(module.builder(), module.target(),
                                           {width, 1e-6, hasWeight, type});
        SCOPED_TRACE(launch.kernel);
        KernelArguments arguments;
        arguments.input(x);
        if (hasWeight)
          arguments.input(weight);
        if (type == RowType::Bf16)
          arguments.output(halves);
        else
          arguments.output(floats);
        runKernel(module, launch, rows, arguments);
        for (int64_t at = 0; at != rows * width; ++at) {
          double exact = x[at] *
                         inverseRoot(&x[at / width * width], width, 1e-6) *
                         (hasWeight ? weight[at % width] : 1);
          double bound = std::abs(exact) * normBound(width);
          if (type == RowType::Bf16)
            bound += kUnitBf16 * (std::abs(exact) + bound);
          ASSERT_NEAR(type == RowType::Bf16 ? bf16ToFloat(halves[at])
                                            : floats[at],
                      exact, bound);
        }
      }
}

TEST(RowKernels, SumsAndTheirNormsAgreeWithLoops) {
  constexpr int64_t rows = 2, width = 640;
  for (bool hasBranchWeight : {false, true})
    for (bool hasScale : {false, true}) {
      std::vector<float> stream = someFloats(rows * width, 7),
                         branch = someFloats(rows * width, 8),
                         branchWeight = someFloats(width, 9), scale{0.75F},
                         weight = someFloats(width, 10);
      std::vector<float> sum(rows * width, NAN);
      std::vector<uint16_t> normed(rows * width, 0x7fc0);
      KernelModule module;
      KernelLaunch launch = buildSumNorm(module.builder(), module.target(),
                                         {{width, 1e-6, true, RowType::Bf16},
                                          hasBranchWeight,
                                          hasScale,
                                          1e-5});
      SCOPED_TRACE(launch.kernel);
      KernelArguments arguments;
      arguments.input(stream).input(branch);
      if (hasBranchWeight)
        arguments.input(branchWeight);
      if (hasScale)
        arguments.input(scale);
      arguments.input(weight).output(sum).output(normed);
      runKernel(module, launch, rows, arguments);
      for (int64_t at = 0; at != rows * width; ++at) {
        int64_t row = at / width * width;
        double added = branch[at];
        if (hasBranchWeight)
          added *=
              inverseRoot(&branch[row], width, 1e-5) * branchWeight[at % width];
        double exact = (stream[at] + added) * (hasScale ? 0.75 : 1);
        ASSERT_NEAR(sum[at], exact,
                    std::abs(added) * normBound(width) +
                        2 * kUnitF32 *
                            (std::abs(stream[at]) + std::abs(added)));
        // The norm is of the sums as they were stored.
        double norm =
            sum[at] * inverseRoot(&sum[row], width, 1e-6) * weight[at % width];
        double bound = std::abs(norm) * normBound(width);
        ASSERT_NEAR(bf16ToFloat(normed[at]), norm,
                    bound + kUnitBf16 * (std::abs(norm) + bound));
      }
    }
}

TEST(RowKernels, HeadsAreRowsOfTheirOwn) {
  constexpr int64_t rows = 2, heads = 3, width = 64;
  std::vector<float> x = someFloats(rows * heads * width, 15),
                     result(x.size(), NAN);
  KernelModule module;
  KernelLaunch launch = buildRowNorm(module.builder(), module.target(),
                                     {width, 1e-6, false, RowType::F32, heads});
  KernelArguments arguments;
  arguments.input(x).output(result);
  runKernel(module, launch, rows, arguments);
  for (size_t at = 0; at != x.size(); ++at) {
    double exact = x[at] * inverseRoot(&x[at / width * width], width, 1e-6);
    ASSERT_NEAR(result[at], exact, std::abs(exact) * normBound(width));
  }
}

TEST(RowKernels, ElementsAgreeWithLoops) {
  constexpr int64_t rows = 3, width = 516;
  std::vector<float> x = someFloats(rows * width, 16),
                     y = someFloats(rows * width, 17);
  for (ElementOp op : {ElementOp::Add, ElementOp::Round, ElementOp::Gate}) {
    std::vector<float> floats(rows * width, NAN);
    std::vector<uint16_t> halves(rows * width, 0x7fc0);
    KernelModule module;
    KernelLaunch launch =
        buildElements(module.builder(), module.target(), op, width);
    SCOPED_TRACE(launch.kernel);
    KernelArguments arguments;
    arguments.input(x);
    if (op != ElementOp::Round)
      arguments.input(y);
    if (op == ElementOp::Add)
      arguments.output(floats);
    else
      arguments.output(halves);
    runKernel(module, launch, rows, arguments);
    for (int64_t i = 0; i != rows * width; ++i) {
      if (op == ElementOp::Add) {
        ASSERT_EQ(floats[i], x[i] + y[i]);
      } else if (op == ElementOp::Round) {
        ASSERT_EQ(halves[i], floatToBf16(x[i]));
      } else {
        double t = x[i];
        double exact =
            t / 2 *
            (1 + std::tanh(std::sqrt(2 / M_PI) * (t + 0.044715 * t * t * t))) *
            y[i];
        double bound = 0x1p-20 * std::abs(t * y[i]);
        ASSERT_NEAR(bf16ToFloat(halves[i]), exact,
                    bound + kUnitBf16 * (std::abs(exact) + bound));
      }
    }
  }
}

namespace {

/// Queries, keys and values of a step, and what plain loops make of them.
class HeadRun {
public:
  HeadRun(const HeadRows &shape, int32_t start, int32_t rows, int32_t capacity)
      : shape(shape), start(start), rows(rows), capacity(capacity),
        product(someFloats(rows * columns(), 11)),
        queryWeight(someFloats(shape.headDim, 12)),
        keyWeight(someFloats(shape.headDim, 13)),
        angles(someFloats(rows * shape.headDim, 14)),
        keys(capacity * shape.kvHeads * shape.headDim, kUntouched),
        values(keys), query(rows * shape.heads * shape.headDim, kUntouched) {}

  void run() {
    KernelModule module;
    KernelLaunch launch =
        buildHeadRows(module.builder(), module.target(), shape);
    SCOPED_TRACE(launch.kernel);
    KernelArguments arguments;
    arguments.input(product);
    if (shape.hasNorms)
      arguments.input(queryWeight);
    if (shape.hasNorms && shape.kvHeads != 0)
      arguments.input(keyWeight);
    arguments.input(angles);
    if (shape.kvHeads != 0)
      arguments.output(keys).output(values);
    arguments.output(query);
    if (shape.kvHeads != 0)
      arguments.step(start, rows).scalar(capacity);
    runKernel(module, launch, rows, arguments);
    check();
  }

private:
  static constexpr uint16_t kUntouched = 0x4321;

  int64_t columns() const {
    return (shape.heads + (shape.keysAreValues ? 1 : 2) * shape.kvHeads) *
           shape.headDim;
  }

  void check() {
    int64_t d = shape.headDim, kv = shape.kvHeads;
    std::vector<bool> written(static_cast<size_t>(capacity));
    for (int64_t t = 0; t != rows; ++t) {
      int64_t place = (start + t) % capacity;
      written[place] = true;
      for (int64_t h = 0; h != shape.heads; ++h)
        checkHead(t, h, shape.hasNorms ? queryWeight.data() : nullptr,
                  shape.hasNorms, true, &query[(t * shape.heads + h) * d]);
      for (int64_t h = 0; h != kv; ++h) {
        checkHead(t, shape.heads + h,
                  shape.hasNorms ? keyWeight.data() : nullptr, shape.hasNorms,
                  true, &keys[(place * kv + h) * d]);
        checkHead(t, shape.heads + h + (shape.keysAreValues ? 0 : kv), nullptr,
                  shape.hasValueNorm, false, &values[(place * kv + h) * d]);
      }
    }
    for (size_t i = 0; i != keys.size(); ++i)
      if (!written[i / static_cast<size_t>(kv * d)]) {
        ASSERT_EQ(keys[i], kUntouched);
        ASSERT_EQ(values[i], kUntouched);
      }
  }

  void checkHead(int64_t t, int64_t head, const float *weight, bool isNormed,
                 bool isTurned, const uint16_t *got) {
    int64_t d = shape.headDim, half = d / 2;
    const float *x = &product[t * columns() + head * d];
    double inverse = isNormed ? inverseRoot(x, d, shape.eps) : 1;
    auto at = [&](int64_t i) {
      return x[i] * inverse * (weight ? weight[i] : 1);
    };
    for (int64_t i = 0; i != d; ++i) {
      int64_t pair = i % half;
      double exact = at(i), size = std::abs(exact);
      if (isTurned) {
        const float *angle = &angles[(t * half + pair) * 2];
        double low = at(pair), high = at(pair + half);
        exact = i < half ? low * angle[0] - high * angle[1]
                         : high * angle[0] + low * angle[1];
        size = std::abs(low) + std::abs(high);
      }
      double bound = size * (isNormed ? normBound(d) : 3 * kUnitF32);
      ASSERT_NEAR(bf16ToFloat(got[i]), exact,
                  bound + kUnitBf16 * (std::abs(exact) + bound))
          << "row " << t << " head " << head << " number " << i;
    }
  }

  HeadRows shape;
  int32_t start, rows, capacity;
  std::vector<float> product, queryWeight, keyWeight, angles;
  std::vector<uint16_t> keys, values, query;
};

} // namespace

TEST(HeadKernels, AgreeWithLoops) {
  // Positions that wrap around the ring.
  HeadRun({4, 1, 256, 1e-6, true}, 60, 7, 64).run();
  HeadRun({3, 3, 64, 1e-6, false}, 0, 1, 64).run();
  HeadRun({2, 2, 32, 1e-6, true, true}, 5, 2, 64).run();
  HeadRun({2, 1, 128, 1e-6, true, true, true}, 127, 3, 128).run();
  // Queries alone.
  HeadRun({4, 0, 64, 1e-6}, 9, 3, 64).run();
  HeadRun({4, 0, 64, 1e-6, true}, 9, 3, 64).run();
  // Fewer pairs in a head than lanes in whole warps.
  HeadRun({1, 1, 96, 1e-6, true}, 3, 2, 64).run();
}
