// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What comes between the product of queries, keys and values and attention:
// norms, rotation, caches.

#include "HeadVector.h"
#include "KernelFunction.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

/// Warps of a CTA, each with a head of a row.
static constexpr int64_t kWarps = 4;

/// The body of one kernel.
static void buildHeads(KernelBuilder &k, const HeadRows &rows,
                       const Vals &parameters) {
  const Val *next = parameters.begin();
  Val row = k.blockIdY(), head = k.blockIdX() * kWarps + (k.threadId() >> 5);
  HeadOperands operands = headOperands(rows, next);
  operands.product = k.at(operands.product, k.wide(row) * (4 * rows.columns()));
  operands.angles = k.at(operands.angles, k.wide(row) * (4 * rows.headDim));
  HeadMaker maker(k, rows, operands);
  Val query = rows.kvHeads == 0 ? next[0] : next[2];
  k.when(head < rows.heads, [&] {
    maker.store(maker.query(head), k.at(query, k.wide(row * rows.heads + head) *
                                                   (2 * rows.headDim)));
  });
  if (rows.kvHeads == 0)
    return;
  Val keys = next[0], values = next[1], step = next[3], capacity = next[4];
  Val position = loadStep(k, step, StepField::Start) + row;
  auto cached = [&](Val cache, Val kvHead) {
    return k.at(cache, k.wide((position % capacity) * rows.kvHeads + kvHead) *
                           (2 * rows.headDim));
  };
  Val key = head - rows.heads, value = key - rows.kvHeads;
  k.when((key >= 0) & (key < rows.kvHeads),
         [&] { maker.store(maker.key(key), cached(keys, key)); });
  k.when((value >= 0) & (value < rows.kvHeads),
         [&] { maker.store(maker.value(value), cached(values, value)); });
}

std::string flow::cuda::nameOf(const HeadRows &rows) {
  return llvm::formatv("heads_{0}_{1}_{2}_{3}{4}{5}{6}", rows.heads,
                       rows.kvHeads, rows.headDim, bitsOf(rows.eps),
                       rows.hasNorms ? "_norms" : "",
                       rows.hasValueNorm ? "_value_norm" : "",
                       rows.keysAreValues ? "_k_eq_v" : "");
}

KernelLaunch flow::cuda::buildHeadRows(OpBuilder &builder,
                                       const KernelTarget &target,
                                       const HeadRows &rows) {
  int64_t heads = rows.heads + 2 * rows.kvHeads;
  KernelLaunch launch;
  launch.kernel = nameOf(rows);
  launch.threads = 32 * kWarps;
  launch.grid = {GridSize{(heads + kWarps - 1) / kWarps}, GridSize{1, 1},
                 GridSize{1}};
  SmallVector<Access> access{Access::ReadOnly};
  if (rows.hasNorms)
    access.append(rows.kvHeads != 0 ? 2 : 1, Access::ReadOnly);
  access.push_back(Access::ReadOnly);
  if (rows.kvHeads != 0)
    access.append(2, Access::ReadWrite);
  access.push_back(Access::ReadWrite);
  if (rows.kvHeads != 0)
    access.append({Access::ReadOnly, Access::Scalar});
  addKernel(builder, target, launch, access,
            [&](KernelBuilder &k, const Vals &parameters) {
              buildHeads(k, rows, parameters);
            });
  return launch;
}
