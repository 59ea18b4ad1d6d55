// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The choice of experts: a warp a row, whose lanes share its logits.

#include "KernelFunction.h"
#include "flow/Codegen/GPU/ExpertKernels.h"

#include "llvm/Support/FormatVariadic.h"

#include <limits>

using namespace mlir;
using namespace flow::cuda;

namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();
/// The number of an expert that is none, or was chosen before. It comes behind
/// all others, those that are as small included.
constexpr int64_t kNobody = std::numeric_limits<int32_t>::max();

/// An expert and its scaled logit.
struct Candidate {
  Val logit, expert;
};

/// The larger one, of equal ones the first.
Candidate better(KernelBuilder &k, const Candidate &a, const Candidate &b) {
  Val isB =
      (b.logit > a.logit) | (b.logit.equals(a.logit) & (b.expert < a.expert));
  return {k.select(isB, b.logit, a.logit), k.select(isB, b.expert, a.expert)};
}

/// `e^x`, with what the product of x and log2(e) loses in its rounding.
Val exponential(KernelBuilder &k, Val x) {
  constexpr double kLog2E = 1.4426950408889634, kLn2 = 0.6931471805599453;
  Val log2E = k.f32(kLog2E);
  Val rest = k.f32(kLog2E - static_cast<float>(kLog2E));
  Val exponent = x * log2E;
  Val lost = k.fma(x, rest, k.fma(x, log2E, k.f32(0) - exponent));
  Val power = k.exp2(exponent);
  return k.fma(power, lost * kLn2, power);
}

void buildBody(KernelBuilder &k, const Router &router, const Vals &parameters) {
  Val lane = k.threadId(), row = k.wide(k.blockIdX());
  Val logits = k.at(parameters[0], row * (4 * router.experts));
  int64_t slots = (router.experts + 31) / 32;
  // The candidates of the lane: slot i has expert 32 i + lane.
  Vals carried;
  for (int64_t i = 0; i != slots; ++i) {
    Val expert = lane + 32 * i;
    auto load = [&] {
      Val z = k.loadF32(k.at(logits, k.wide(expert << 2))) * router.factor;
      // A NaN is equal to nothing, and comes last.
      return Vals{k.select(z.equals(z), z, k.f32(kNothing)), expert};
    };
    bool isWhole = 32 * (i + 1) <= router.experts;
    carried.append(isWhole ? load()
                           : k.when(expert < router.experts,
                                    {k.f32(kNothing), k.i32(kNobody)}, load));
  }
  // Behind them the largest logit, and what lane j keeps of choice j.
  carried.append({k.f32(0), k.i32(0), k.f32(0)});
  Vals last = k.loop(
      k.i32(0), k.i32(router.chosen), 1, carried,
      [&](Val choice, const Vals &values) {
        Vals next = values;
        Candidate best{next[0], next[1]};
        for (int64_t i = 1; i != slots; ++i)
          best = better(k, best, {next[2 * i], next[2 * i + 1]});
        for (int64_t mask : {16, 8, 4, 2, 1})
          best = better(k, best,
                        {k.shuffleXor(best.logit, mask),
                         k.shuffleXor(best.expert, mask)});
        for (int64_t i = 0; i != slots; ++i) {
          Val isTaken = next[2 * i + 1].equals(best.expert);
          next[2 * i] = k.select(isTaken, k.f32(kNothing), next[2 * i]);
          next[2 * i + 1] = k.select(isTaken, k.i32(kNobody), next[2 * i + 1]);
        }
        Val *kept = next.end() - 3;
        kept[0] = k.select(choice.equals(k.i32(0)), best.logit, kept[0]);
        Val isMine = choice.equals(lane);
        kept[1] = k.select(isMine, best.expert, kept[1]);
        kept[2] =
            k.select(isMine, exponential(k, best.logit - kept[0]), kept[2]);
        return next;
      });
  Val expert = last[last.size() - 2], share = last.back();
  // Lanes without a choice keep zero.
  share = share / k.warpSum(share);
  k.when(lane < router.chosen, [&] {
    Val at = row * (4 * router.chosen) + k.wide(lane << 2);
    Val scale = k.loadF32(k.at(parameters[1], k.wide(expert << 2)));
    k.store(expert, k.at(parameters[2], at), 4);
    k.store(share * scale, k.at(parameters[3], at), 4);
  });
}

} // namespace

KernelLaunch flow::cuda::buildRouter(OpBuilder &builder,
                                     const KernelTarget &target,
                                     const Router &router) {
  KernelLaunch launch;
  launch.kernel = llvm::formatv("router_{0}_of_{1}_{2}", router.chosen,
                                router.experts, bitsOf(router.factor));
  launch.threads = 32;
  launch.grid = {GridSize{1, 1}, GridSize{1}, GridSize{1}};
  addKernel(builder, target, launch,
            {Access::ReadOnly, Access::ReadOnly, Access::ReadWrite,
             Access::ReadWrite},
            [&](KernelBuilder &k, const Vals &parameters) {
              buildBody(k, router, parameters);
            });
  return launch;
}
