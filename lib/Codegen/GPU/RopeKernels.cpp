// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Cosines and sines of rotary embeddings, without a library of functions.

#include "KernelFunction.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace flow::cuda;

/// Threads that share a row.
static constexpr int64_t kThreads = 128;

namespace {

/// `sin(x)` and `cos(x)`, f64.
struct Turn {
  Val sine, cosine;
};

} // namespace

/// `c[0] + c[1] x + c[2] x^2 + ...`.
static Val polynomial(KernelBuilder &k, Val x, ArrayRef<double> coefficients) {
  Val sum = k.f64(coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    sum = k.fma(sum, x, k.f64(coefficient));
  return sum;
}

/// Of an angle below 2^30: the rest beyond the nearest multiple of pi/2, which
/// is taken off in two parts, goes into Taylor's series. Within 1e-11, which a
/// rounding to f32 covers.
static Turn turnBy(KernelBuilder &k, Val angle) {
  constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
  constexpr double kHalfPi = 0x1.921fb54442d18p+0,
                   kHalfPiRest = 0x1.1a62633145c07p-54;
  // A sum with this number has the integer next to the other one in its lowest
  // bits.
  constexpr double kRounder = 0x1.8p52;
  Val rounded = k.fma(angle, k.f64(kTwoOverPi), k.f64(kRounder));
  Val quadrant = k.lowWord(rounded);
  Val turns = rounded - kRounder;
  Val rest = k.fma(turns, k.f64(-kHalfPi), angle);
  rest = k.fma(turns, k.f64(-kHalfPiRest), rest);
  Val square = rest * rest;
  Val sine = rest * polynomial(k, square,
                               {1., -1. / 6, 1. / 120, -1. / 5040, 1. / 362880,
                                -1. / 39916800});
  Val cosine = polynomial(k, square,
                          {1., -1. / 2, 1. / 24, -1. / 720, 1. / 40320,
                           -1. / 3628800, 1. / 479001600});
  Val isOdd = (quadrant & 1).equals(k.i32(1));
  Val first = k.select(isOdd, cosine, sine);
  Val second = k.select(isOdd, sine, cosine);
  auto negatedIf = [&](Val bit, Val value) {
    return k.select(bit.equals(k.i32(0)), value, k.f64(0) - value);
  };
  return {negatedIf(quadrant & 2, first),
          negatedIf((quadrant + 1) & 2, second)};
}

/// All bits of `number`, for the names of kernels.
static std::string exactBitsOf(double number) {
  return llvm::utohexstr(llvm::bit_cast<uint64_t>(number), /*LowerCase=*/true);
}

KernelLaunch flow::cuda::buildRopeAngles(OpBuilder &builder,
                                         const KernelTarget &target,
                                         const RopeAngles &rope) {
  KernelLaunch launch;
  launch.kernel =
      llvm::formatv("angles_{0}_{1}_{2}_{3}", rope.headDim, rope.pairs,
                    exactBitsOf(rope.theta), exactBitsOf(rope.factor));
  launch.threads = kThreads;
  launch.grid = {GridSize{1, 1}, GridSize{1}, GridSize{1}};
  SmallVector<double> frequencies;
  for (int64_t i = 0; i != rope.pairs; ++i)
    frequencies.push_back(
        std::pow(rope.theta, -2.0 * static_cast<double>(i) /
                                 static_cast<double>(rope.headDim)) /
        rope.factor);
  int64_t pairs = rope.headDim / 2;
  addKernel(builder, target, launch, {Access::ReadWrite, Access::ReadOnly},
            [&](KernelBuilder &k, const Vals &parameters) {
              Val table = addConstants(k, target, launch.kernel + "_table",
                                       frequencies);
              Val row = k.blockIdX();
              Val position =
                  k.toF64(loadStep(k, parameters[1], StepField::Start) + row);
              Val result = k.at(parameters[0], k.wide(row) * (8 * pairs));
              k.loop(k.threadId(), k.i32(pairs), kThreads, {},
                     [&](Val pair, const Vals &) {
                       Val last = k.i32(rope.pairs - 1);
                       Val exists = pair <= last;
                       Val at = k.wide(k.select(exists, pair, last) << 3);
                       Val frequency =
                           k.load(k.getF64Type(), k.at(table, at), 8);
                       Turn turn = turnBy(
                           k, k.select(exists, position * frequency, k.f64(0)));
                       k.store2(k.toF32(turn.cosine), k.toF32(turn.sine),
                                k.at(result, k.wide(pair << 3)));
                       return Vals();
                     });
            });
  return launch;
}
