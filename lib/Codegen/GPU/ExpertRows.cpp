// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What goes around the experts' products of many rows: their choices sorted by
// expert, and the sum of what became of them.

#include "ExpertProducts.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

/// Threads of a CTA.
static constexpr int64_t kThreads = 128;

/// A CTA an expert. Each thread has a run of the choices, of which it counts
/// those of experts before this one, which say where this one's begin, and its
/// own, which say where the next thread's begin among them.
static void buildOrder(KernelBuilder &k, const ExpertMlp &mlp,
                       const Vals &parameters) {
  Val experts = parameters[0], thread = k.threadId(), expert = k.blockIdX();
  Val count = loadStep(k, parameters[3], StepField::Rows) * mlp.chosen;
  Val length = (count + (kThreads - 1)) / kThreads;
  Val first = thread * length, end = (first + length).min(count);
  auto expertOf = [&](Val choice) {
    return k.loadI32(k.at(experts, k.wide(choice << 2)));
  };
  auto isTrue = [&](Val condition) {
    return k.select(condition, k.i32(1), k.i32(0));
  };

  Vals counts =
      k.loop(first, end, 1, {k.i32(0), k.i32(0)},
             [&](Val choice, const Vals &carried) {
               Val chosen = expertOf(choice);
               return Vals{carried[0] + isTrue(chosen < expert),
                           carried[1] + isTrue(chosen.equals(expert))};
             });
  Val shared = k.sharedMemory();
  k.store2(counts[0], counts[1], k.at(shared, thread << 3));
  k.barrier();
  // Where the expert's choices begin, how many there are, and how many of them
  // are in front of this thread's.
  Vals sums = k.loop(
      k.i32(0), k.i32(kThreads), 1, {k.i32(0), k.i32(0), k.i32(0)},
      [&](Val other, const Vals &carried) {
        Val at = k.at(shared, other << 3);
        Val own = k.loadI32(k.at(at, 4));
        return Vals{carried[0] + k.loadI32(at), carried[1] + own,
                    carried[2] + k.select(other < thread, own, k.i32(0))};
      });
  k.when(thread.equals(k.i32(0)), [&] {
    k.store2(sums[0], sums[0] + sums[1],
             k.at(parameters[2], k.wide(expert << 3)));
  });
  k.loop(first, end, 1, {sums[0] + sums[2]},
         [&](Val choice, const Vals &carried) {
           Val isOwn = expertOf(choice).equals(expert), place = carried[0];
           k.when(isOwn, [&] {
             k.store(choice, k.at(parameters[1], k.wide(place << 2)), 4);
           });
           return Vals{place + isTrue(isOwn)};
         });
}

KernelLaunch flow::cuda::buildExpertOrder(OpBuilder &builder,
                                          const KernelTarget &target,
                                          const ExpertMlp &mlp) {
  KernelLaunch launch;
  launch.kernel = llvm::formatv("expert_order_{0}", mlp.chosen);
  launch.threads = kThreads;
  launch.sharedBytes = 8 * kThreads;
  launch.grid = {GridSize{mlp.experts}, GridSize{1}, GridSize{1}};
  addKernel(builder, target, launch,
            {Access::ReadOnly, Access::ReadWrite, Access::ReadWrite,
             Access::ReadOnly},
            [&](KernelBuilder &k, const Vals &parameters) {
              buildOrder(k, mlp, parameters);
            });
  return launch;
}

/// A CTA a row.
static void buildSum(KernelBuilder &k, const ExpertMlp &mlp,
                     const Vals &parameters) {
  Val row = k.wide(k.blockIdX());
  int64_t rowBytes = 4 * mlp.columns;
  Val parts = k.at(parameters[0], row * (mlp.chosen * rowBytes));
  Val shares = k.at(parameters[1], row * (4 * mlp.chosen));
  Val result = k.at(parameters[2], row * rowBytes);
  k.loop(k.threadId() << 2, k.i32(mlp.columns), 4 * kThreads, {},
         [&](Val column, const Vals &) {
           Val offset = k.wide(column << 2);
           Vals sums = k.loop(
               k.i32(0), k.i32(mlp.chosen), 1, k.zeros(4),
               [&](Val choice, const Vals &carried) {
                 Val share = k.loadF32(k.at(shares, k.wide(choice << 2)));
                 Val part = k.at(parts, k.wide(choice) * rowBytes + offset);
                 Vals next;
                 for (auto [value, sum] :
                      llvm::zip(k.load4(k.getF32Type(), part), carried))
                   next.push_back(k.fma(share, value, sum));
                 return next;
               });
           k.store4(sums, k.at(result, offset));
           return Vals();
         });
}

KernelLaunch flow::cuda::buildExpertSum(OpBuilder &builder,
                                        const KernelTarget &target,
                                        const ExpertMlp &mlp) {
  KernelLaunch launch;
  launch.kernel = llvm::formatv("expert_sum_{0}x{1}", mlp.chosen, mlp.columns);
  launch.threads = kThreads;
  launch.grid = {GridSize{1, 1}, GridSize{1}, GridSize{1}};
  addKernel(builder, target, launch,
            {Access::ReadOnly, Access::ReadOnly, Access::ReadWrite},
            [&](KernelBuilder &k, const Vals &parameters) {
              buildSum(k, mlp, parameters);
            });
  return launch;
}

Product flow::cuda::gatesOf(const ExpertMlp &mlp) {
  return {2 * mlp.hidden, mlp.width, Epilogue::Gated};
}

Product flow::cuda::downOf(const ExpertMlp &mlp) {
  return {mlp.columns, mlp.hidden};
}

RowsExperts flow::cuda::buildRowsExperts(OpBuilder &builder,
                                         const KernelTarget &target,
                                         const ExpertMlp &mlp) {
  return {buildExpertOrder(builder, target, mlp),
          buildExpertRowsProduct(builder, target, mlp, gatesOf(mlp),
                                 /*hasOwnRows=*/false),
          buildExpertRowsProduct(builder, target, mlp, downOf(mlp),
                                 /*hasOwnRows=*/true),
          buildExpertSum(builder, target, mlp)};
}
