// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How far the code's exp and tanh are from the functions.

#include "StageTest.h"

using namespace flow;

namespace {

using MathFunctions = StageTest;
INSTANTIATE_TEST_SUITE_P(Cpus, MathFunctions, testing::ValuesIn(kFloatTargets),
                         targetName);

constexpr int64_t kLanes = 64;

/// `function` of one vector; no stage is nothing but a function.
std::string text(const std::string &function) {
  return substitute(R"(
func.func @f(%in: memref<64xf32>, %out: memref<64xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %x = vector.transfer_read %in[%c0], %zero {in_bounds = [true]} : memref<64xf32>, vector<64xf32>
  %y = math.$F %x : vector<64xf32>
  vector.transfer_write %y, %out[%c0] {in_bounds = [true]} : vector<64xf32>, memref<64xf32>
  return
})",
                    {{"$F", function}});
}

/// 2^18 arguments up to `limit` in size: half of them evenly spread, half over
/// the exponents from -30 on.
std::vector<float> samples(double limit) {
  std::vector<float> list;
  for (int64_t i = 0; i != 1 << 17; ++i) {
    double part = std::ldexp(double(i), -17);
    list.push_back(limit * part);
    list.push_back(std::min(std::exp2(part * 40 - 30), limit));
  }
  return list;
}

/// Calls `check(x, y)` for all samples, their sign turned if `negative`.
template <typename Check>
void forSamples(CompiledFunction &function, double limit, bool negative,
                Check check) {
  std::vector<float> list = samples(limit);
  for (size_t first = 0; first != list.size(); first += kLanes) {
    Tensor x(llvm::ArrayRef<int64_t>{kLanes});
    for (int64_t i = 0; i != kLanes; ++i)
      x.values[i] = negative ? -list[first + i] : list[first + i];
    std::vector<Tensor> y = function.run({plainArgument(x)}, {{kLanes}});
    ASSERT_EQ(y.size(), 1u);
    for (int64_t i = 0; i != kLanes; ++i)
      ASSERT_TRUE(check(x.values[i], y[0].values[i]))
          << "at " << x.values[i] << ": " << y[0].values[i];
  }
}

// Softmax takes exp of what is not positive. Where a result is no normal
// number it may be anything below the smallest.
TEST_P(MathFunctions, ExpOfWhatIsNotPositive) {
  CompiledFunction function(text("exp"), GetParam());
  forSamples(function, 200, /*negative=*/true, [](float x, float y) {
    double exact = std::exp(double(x));
    return std::abs(y - exact) <= kExpError * exact + 0x1.1p-126;
  });
}

TEST_P(MathFunctions, Tanh) {
  CompiledFunction function(text("tanh"), GetParam());
  for (bool negative : {false, true})
    forSamples(function, 1000, negative, [](float x, float y) {
      double exact = std::tanh(double(x));
      return std::abs(y - exact) <= kTanhError * std::abs(exact);
    });
}

} // namespace
