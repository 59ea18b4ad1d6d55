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
  bool hasSpans = attention.spans != Attention::Spans::None;
  SmallVector<Access> accesses(hasSpans ? 4 : 3, Access::ReadOnly);
  accesses.append({Access::ReadWrite, Access::ReadOnly, Access::Scalar});
  addKernel(
      builder, target, launch, accesses,
      [&](KernelBuilder &k, const Vals &parameters) {
        ArrayRef<Val> rest = ArrayRef<Val>(parameters).take_back(3);
        Val result = rest[0], step = rest[1];
        AttentionOperands operands;
        operands.query = parameters[0];
        operands.keys = parameters[1];
        operands.values = parameters[2];
        operands.capacity = rest[2];
        operands.start = loadStep(k, step, StepField::Start);
        operands.tokens = loadStep(k, step, StepField::Rows);
        if (hasSpans) {
          operands.spans = parameters[3];
          operands.spanCount = loadStep(k, step, StepField::Spans);
        }
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
