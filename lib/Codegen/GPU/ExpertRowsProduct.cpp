// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of the rows that chose an expert by its weights: tiles of gathered
// rows in shared memory, tensor cores, and rows that go where they belong.

#include "ExpertProducts.h"
#include "ProductEpilogue.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

namespace {

/// The tile of a CTA, of its warps, and how many are under way. Experts have
/// few rows each: half as many as tiles of other products leave fewer empty.
constexpr int64_t kRows = 64, kColumns = 128, kDepth = 32, kStages = 3;
constexpr int64_t kWarpRows = 32, kWarpColumns = 64;
constexpr int64_t kWarpsAcross = kColumns / kWarpColumns;
constexpr int64_t kThreads = 32 * kRows / kWarpRows * kWarpsAcross;
/// Bytes of a row of a tile, and 16-byte chunks in it.
constexpr int64_t kRowBytes = 2 * kDepth, kChunks = kDepth / 8;
constexpr int64_t kStageBytes = (kRows + kColumns) * kRowBytes;
/// Rows that all threads copy a chunk each of. A multiple of 8, after which the
/// swizzle repeats: one offset serves all passes.
constexpr int64_t kRowsOfPass = kThreads / kChunks;
constexpr int64_t kRowBlocks = kWarpRows / 16, kColumnBlocks = kWarpColumns / 8;

/// Builds the body of one product.
class ExpertRowsBody {
public:
  ExpertRowsBody(KernelBuilder &k, const Product &product, int64_t choicesOfRow,
                 const Vals &parameters);

  void build();

private:
  /// The choice that is the expert's `row`-th. Of one beyond the last it is the
  /// last.
  Val choiceOf(Val row);
  /// Multiplies the rows of the expert from `firstRow` on.
  void multiplyTile(Val firstRow);
  /// Where this thread's copies of rows from `firstRow` on come from, and their
  /// bytes: 0 of rows that do not exist.
  struct Source {
    Val row, bytes;
  };
  SmallVector<Source> gatherRows(Val firstRow);
  SmallVector<Source> weightRows();
  /// Starts the copies of the depth that begins at `depth` into the slot at
  /// byte `slot`, as one group.
  void copyTile(ArrayRef<Source> rows, Val depth, Val slot);
  Vals multiply(Val slot, Vals sums);
  void storeTile(Val firstRow, ArrayRef<Val> sums);

  KernelBuilder &k;
  const Product &product;
  /// Choices that have a row of x together.
  int64_t choicesOfRow;
  Val x, weights, order, result;
  Val shared, lane, firstColumn;
  /// Choices of the expert, and how many there are.
  Val choices, count;
  /// Of this thread's copies: row and chunk in a pass, and where that lies in a
  /// slot.
  Val copyRow, copyChunk, copyOffset;
  /// Rows and columns of the warp in the tile.
  Val warpRow, warpColumn;
};

} // namespace

ExpertRowsBody::ExpertRowsBody(KernelBuilder &k, const Product &product,
                               int64_t choicesOfRow, const Vals &parameters)
    : k(k), product(product), choicesOfRow(choicesOfRow), x(parameters[0]),
      result(parameters[4]) {
  Val expert = k.wide(k.blockIdY());
  weights = k.at(parameters[1], expert * (product.columns * 2 * product.depth));
  Val bounds = k.at(parameters[3], expert * 8);
  Val begin = k.loadI32(bounds);
  count = k.loadI32(k.at(bounds, 4)) - begin;
  choices = k.at(parameters[2], k.wide(begin << 2));

  shared = k.sharedMemory();
  Val thread = k.threadId();
  Val warp = thread >> 5;
  lane = thread & 31;
  firstColumn = k.blockIdX() * kColumns;
  warpRow = (warp / kWarpsAcross) * kWarpRows;
  warpColumn = (warp % kWarpsAcross) * kWarpColumns;
  copyRow = thread / kChunks;
  copyChunk = thread % kChunks;
  copyOffset =
      copyRow * kRowBytes + (swizzle(copyRow, copyChunk, kChunks) << 4);
}

Val ExpertRowsBody::choiceOf(Val row) {
  return k.loadI32(k.at(choices, k.wide(row.min(count - 1) << 2)));
}

SmallVector<ExpertRowsBody::Source> ExpertRowsBody::gatherRows(Val firstRow) {
  SmallVector<Source> rows;
  for (int64_t i = 0; i != kRows / kRowsOfPass; ++i) {
    Val row = firstRow + copyRow + i * kRowsOfPass;
    Val from = choiceOf(row) / choicesOfRow;
    rows.push_back({k.at(x, k.wide(from) * (2 * product.depth)),
                    k.select(row < count, k.i32(16), k.i32(0))});
  }
  return rows;
}

SmallVector<ExpertRowsBody::Source> ExpertRowsBody::weightRows() {
  SmallVector<Source> rows;
  Val first = firstColumn + copyRow;
  Val source = k.at(weights, k.wide(first) * (2 * product.depth));
  for (int64_t i = 0; i != kColumns / kRowsOfPass; ++i) {
    Val column = first + i * kRowsOfPass;
    Val bytes = k.i32(16);
    if (product.columns % kColumns != 0)
      bytes = k.select(column < product.columns, bytes, k.i32(0));
    rows.push_back({k.at(source, i * kRowsOfPass * 2 * product.depth), bytes});
  }
  return rows;
}

void ExpertRowsBody::copyTile(ArrayRef<Source> rows, Val depth, Val slot) {
  // A chunk lies within the depth or beyond it. Of one beyond, or of a row that
  // does not exist, nothing is read and zeros are written.
  Val column = depth + (copyChunk << 3);
  Val exists = column < product.depth;
  Val target = k.at(shared, slot + copyOffset), offset = k.wide(column << 1);
  for (auto [i, row] : llvm::enumerate(rows))
    k.copyAsync16(
        k.at(target, static_cast<int64_t>(i) * kRowsOfPass * kRowBytes),
        k.at(row.row, offset), k.select(exists, row.bytes, k.i32(0)));
  k.commitCopies();
}

Vals ExpertRowsBody::multiply(Val slot, Vals sums) {
  // The addresses that this lane gives to ldmatrix.
  Val matrix = lane >> 3, r = lane & 7;
  Val xRow = warpRow + (matrix & 1) * 8 + r, xChunk = matrix >> 1;
  Val wRow = warpColumn + (matrix >> 1) * 8 + r, wChunk = matrix & 1;
  for (int64_t kk = 0; kk != kDepth / 16; ++kk) {
    auto address = [&](Val row, Val chunk, int64_t offset) {
      Val swizzled = swizzle(row, chunk ^ (2 * kk), kChunks);
      return k.at(k.at(shared, slot + row * kRowBytes + (swizzled << 4)),
                  offset);
    };
    Val xAddress = address(xRow, xChunk, 0);
    Val wAddress = address(wRow, wChunk, kRows * kRowBytes);
    SmallVector<Vals> xFragments;
    for (int64_t i = 0; i != kRowBlocks; ++i)
      xFragments.push_back(k.loadMatrices(k.at(xAddress, i * 16 * kRowBytes)));
    for (int64_t j = 0; j != kColumnBlocks; j += 2) {
      Vals wFragments = k.loadMatrices(k.at(wAddress, j * 8 * kRowBytes));
      for (int64_t i = 0; i != kRowBlocks; ++i)
        for (int64_t half = 0; half != 2; ++half) {
          MutableArrayRef<Val> tile(
              sums.data() + 4 * (i * kColumnBlocks + j + half), 4);
          Vals next = k.mma(xFragments[i],
                            ArrayRef<Val>(wFragments).slice(2 * half, 2), tile);
          llvm::copy(next, tile.begin());
        }
    }
  }
  return sums;
}

void ExpertRowsBody::storeTile(Val firstRow, ArrayRef<Val> sums) {
  Val column = firstColumn + warpColumn + ((lane & 3) << 1);
  for (int64_t i = 0; i != kRowBlocks; ++i)
    for (int64_t half = 0; half != 2; ++half) {
      // Of the row, pairs of neighbouring columns, 8 columns apart.
      SmallVector<ColumnPair> pairs;
      for (int64_t j = 0; j != kColumnBlocks; ++j) {
        int64_t at = 4 * (i * kColumnBlocks + j) + 2 * half;
        pairs.push_back({sums[at], sums[at + 1]});
      }
      Val row = firstRow + warpRow + (lane >> 2) + (16 * i + 8 * half);
      k.when(row < count, [&] {
        Val target =
            k.at(result, k.wide(choiceOf(row)) * resultRowBytes(product));
        storePairs(k, product, target, column, pairs,
                   /*checkColumns=*/product.columns % kColumns != 0);
      });
    }
}

void ExpertRowsBody::multiplyTile(Val firstRow) {
  constexpr int64_t kRingBytes = kStages * kStageBytes;
  SmallVector<Source> rows = gatherRows(firstRow);
  rows.append(weightRows());
  for (int64_t s = 0; s != kStages - 1; ++s)
    copyTile(rows, k.i32(s * kDepth), k.i32(s * kStageBytes));

  Vals carried{k.i32(0), k.i32((kStages - 1) * kStageBytes)};
  carried.append(k.zeros(4 * kRowBlocks * kColumnBlocks));
  auto behind = [&](Val slot) {
    Val next = slot + kStageBytes;
    return k.select(next.equals(k.i32(kRingBytes)), k.i32(0), next);
  };
  int64_t steps = (product.depth + kDepth - 1) / kDepth;
  Vals last = k.loop(
      k.i32(0), k.i32(steps), 1, carried, [&](Val i, const Vals &values) {
        // One barrier a step: the slot that is filled now was last read in the
        // step before.
        k.waitForCopies(kStages - 2);
        k.barrier();
        copyTile(rows, (i + (kStages - 1)) * kDepth, values[1]);
        Vals next{behind(values[0]), behind(values[1])};
        next.append(
            multiply(values[0], Vals(ArrayRef<Val>(values).drop_front(2))));
        return next;
      });
  storeTile(firstRow, ArrayRef<Val>(last).drop_front(2));
  // The next tile begins with the first slots, which copies beyond the depth
  // may go to still, and warps may read.
  k.waitForCopies(0);
  k.barrier();
}

void ExpertRowsBody::build() {
  // CTAs of one expert and the same columns take its tiles in turn.
  Val apart = k.gridDimZ(), first = k.blockIdZ();
  Val tiles = (count + (kRows - 1)) / kRows;
  k.loop(k.i32(0), (tiles + (apart - 1) - first) / apart, 1, {},
         [&](Val i, const Vals &) {
           multiplyTile((first + i * apart) * kRows);
           return Vals();
         });
}

KernelLaunch flow::cuda::buildExpertRowsProduct(OpBuilder &builder,
                                                const KernelTarget &target,
                                                const ExpertMlp &mlp,
                                                const Product &product,
                                                bool hasOwnRows) {
  int64_t choicesOfRow = hasOwnRows ? 1 : mlp.chosen;
  KernelLaunch launch;
  launch.kernel =
      llvm::formatv("experts_{0}_rows_{1}", choicesOfRow, nameOf(product));
  launch.threads = kThreads;
  launch.sharedBytes = kStages * kStageBytes;
  launch.blocksOfSm = 2;
  // As many CTAs an expert as make its tiles if it has twice its part of the
  // choices.
  launch.grid = {GridSize{(product.columns + kColumns - 1) / kColumns},
                 GridSize{mlp.experts},
                 GridSize{2 * mlp.chosen, mlp.experts * kRows}};
  addKernel(builder, target, launch,
            {Access::ReadOnly, Access::ReadOnly, Access::ReadOnly,
             Access::ReadOnly, Access::ReadWrite},
            [&](KernelBuilder &k, const Vals &parameters) {
              ExpertRowsBody(k, product, choicesOfRow, parameters).build();
            });
  return launch;
}
