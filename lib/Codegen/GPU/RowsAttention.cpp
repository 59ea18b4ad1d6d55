// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention of many rows: each CTA walks over all keys that its rows see.

#include "AttentionBody.h"
#include "KernelFunction.h"

using namespace mlir;
using namespace flow::cuda;

KernelLaunch flow::cuda::buildRowsAttention(OpBuilder &builder,
                                            const KernelTarget &target,
                                            const Attention &attention) {
  AttentionTile tile = rowsTile(attention, target.sharedMemoryLimit);
  KernelLaunch launch;
  launch.kernel = "rows_" + nameOf(attention);
  launch.threads = tile.threads();
  launch.sharedBytes = tile.sharedBytes();
  launch.blocksOfSm = blocksOfSm(attention, tile, target.sharedMemoryLimit);
  launch.grid = {GridSize{attention.heads / attention.kvHeads, tile.rows()},
                 GridSize{attention.kvHeads}, GridSize{1}};
  addKernel(
      builder, target, launch,
      {Access::ReadOnly, Access::ReadOnly, Access::ReadOnly, Access::ReadWrite,
       Access::ReadOnly, Access::Scalar},
      [&](KernelBuilder &k, const Vals &parameters) {
        Val result = parameters[3], step = parameters[4];
        AttentionOperands operands;
        operands.query = parameters[0];
        operands.keys = parameters[1];
        operands.values = parameters[2];
        operands.capacity = parameters[5];
        operands.start = loadStep(k, step, StepField::Start);
        operands.tokens = loadStep(k, step, StepField::Rows);
        operands.kvHead = k.blockIdY();
        // The last rows first: they see the most keys.
        operands.firstRow = (k.gridDimX() - 1 - k.blockIdX()) * tile.rows();
        AttentionBody body(k, attention, tile, operands);
        auto store = [&](const AttendedRow &row) {
          Val scale = k.reciprocal(row.sum);
          Val at = (k.wide(row.token) * attention.heads + k.wide(row.head)) *
                       tile.rowBytes() +
                   k.wide(row.dimension << 1);
          Val target = k.at(result, at);
          for (auto [i, pair] : llvm::enumerate(row.pairs))
            k.store(k.packBf16(pair.first * scale, pair.second * scale),
                    k.at(target, 16 * static_cast<int64_t>(i)), 4);
        };
        // A grid may be made for more rows than the step has.
        Val rows = operands.tokens * (attention.heads / attention.kvHeads);
        k.when(operands.firstRow < rows,
               [&] { body.attend(body.visibleTiles(), store); });
      });
  return launch;
}
