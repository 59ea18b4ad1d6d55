// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of many rows: tiles in shared memory, tensor cores, several stages
// of copies under way.

#include "KernelFunction.h"
#include "ProductEpilogue.h"

using namespace mlir;
using namespace flow::cuda;

namespace {

/// The tile of a CTA and of its warps.
struct Tile {
  int64_t rows, columns, depth, stages, warpRows, warpColumns;

  int64_t warpsAcross() const { return columns / warpColumns; }
  int64_t threads() const { return 32 * (rows / warpRows) * warpsAcross(); }
  /// Bytes of a tile's row, and 16-byte chunks in it.
  int64_t rowBytes() const { return 2 * depth; }
  int64_t chunks() const { return depth / 8; }
  int64_t stageBytes() const { return (rows + columns) * rowBytes(); }
};

/// Warps of 64 x 64 give four mma an ldmatrix, the most that the accumulators
/// leave registers for. Two CTAs fit on an SM of any architecture.
constexpr Tile kTile = {128, 128, 32, 3, 64, 64};

/// Builds the body of one product.
class RowsProductBody {
public:
  RowsProductBody(KernelBuilder &k, const Product &product, const Tile &tile,
                  const Vals &parameters);

  void build();

private:
  /// Copies of a tile's rows of one operand that this thread makes.
  struct Copies {
    Val source;
    /// Of each pass, whether its row exists; empty if all do.
    Vals exists;
    int64_t passes = 0, sharedOffset = 0;
  };
  Copies planCopies(Val matrix, Val firstRow, int64_t tileRows,
                    int64_t sharedOffset, llvm::function_ref<Val(Val)> exists);
  /// Starts the copies of the depth that begins at `depth` into the slot at
  /// byte `slot`, as one group.
  void copyTile(Val depth, Val slot);
  Vals multiply(Val slot, Vals sums);

  KernelBuilder &k;
  const Product &product;
  const Tile &tile;
  Val x, weights, result, step;
  Val shared, lane, warp, rowCount, firstRow, firstColumn;
  /// Of this thread's copies: row and chunk in a pass, and where that lies in
  /// a slot.
  Val copyRow, copyChunk, copyOffset;
  Copies xCopies, weightCopies;
  /// Rows and columns of the warp in the tile.
  Val warpRow, warpColumn;
};

} // namespace

RowsProductBody::RowsProductBody(KernelBuilder &k, const Product &product,
                                 const Tile &tile, const Vals &parameters)
    : k(k), product(product), tile(tile), x(parameters[0]),
      weights(parameters[1]), result(parameters[2]), step(parameters[3]) {
  shared = k.sharedMemory();
  Val thread = k.threadId();
  lane = thread & 31;
  warp = thread >> 5;
  rowCount = loadStep(k, step, StepField::Rows);
  firstRow = k.blockIdY() * tile.rows;
  firstColumn = k.blockIdX() * tile.columns;
  warpRow = (warp / tile.warpsAcross()) * tile.warpRows;
  warpColumn = (warp % tile.warpsAcross()) * tile.warpColumns;

  copyRow = thread / tile.chunks();
  copyChunk = thread % tile.chunks();
  // Passes are a multiple of 8 rows apart, after which the swizzle repeats: one
  // offset serves all.
  copyOffset = copyRow * tile.rowBytes() +
               (swizzle(copyRow, copyChunk, tile.chunks()) << 4);
  xCopies = planCopies(x, firstRow, tile.rows, 0,
                       [&](Val row) { return row < rowCount; });
  bool isWhole = product.columns % tile.columns == 0;
  weightCopies = planCopies(
      weights, firstColumn, tile.columns, tile.rows * tile.rowBytes(),
      [&](Val row) { return isWhole ? Val() : row < product.columns; });
}

RowsProductBody::Copies
RowsProductBody::planCopies(Val matrix, Val first, int64_t tileRows,
                            int64_t sharedOffset,
                            llvm::function_ref<Val(Val)> exists) {
  int64_t rowsOfPass = tile.threads() / tile.chunks();
  Copies copies;
  copies.passes = tileRows / rowsOfPass;
  copies.sharedOffset = sharedOffset;
  Val row = first + copyRow;
  copies.source =
      k.at(matrix, k.wide(row) * (2 * product.depth) + k.wide(copyChunk << 4));
  for (int64_t i = 0; i != copies.passes; ++i)
    if (Val condition = exists(row + i * rowsOfPass); Value(condition))
      copies.exists.push_back(condition);
  return copies;
}

void RowsProductBody::copyTile(Val depth, Val slot) {
  int64_t rowsOfPass = tile.threads() / tile.chunks();
  // A chunk lies within the depth or beyond it. Of one beyond, or of a row that
  // does not exist, nothing is read and zeros are written.
  Val within = depth + (copyChunk << 3) < product.depth;
  Val bytes = k.select(within, k.i32(16), k.i32(0));
  Val target = k.at(shared, slot + copyOffset);
  for (const Copies *copies : {&xCopies, &weightCopies}) {
    Val source = k.at(copies->source, k.wide(depth << 1));
    for (int64_t i = 0; i != copies->passes; ++i)
      k.copyAsync16(
          k.at(target, copies->sharedOffset + i * rowsOfPass * tile.rowBytes()),
          k.at(source, i * rowsOfPass * 2 * product.depth),
          copies->exists.empty()
              ? bytes
              : k.select(copies->exists[i], bytes, k.i32(0)));
  }
  k.commitCopies();
}

Vals RowsProductBody::multiply(Val slot, Vals sums) {
  // The addresses that this lane gives to ldmatrix.
  Val matrix = lane >> 3, r = lane & 7;
  Val xRow = warpRow + (matrix & 1) * 8 + r, xChunk = matrix >> 1;
  Val wRow = warpColumn + (matrix >> 1) * 8 + r, wChunk = matrix & 1;
  int64_t rowBlocks = tile.warpRows / 16, columnBlocks = tile.warpColumns / 8;
  for (int64_t kk = 0; kk != tile.depth / 16; ++kk) {
    auto address = [&](Val row, Val chunk, int64_t offset) {
      Val swizzled = swizzle(row, chunk ^ (2 * kk), tile.chunks());
      return k.at(k.at(shared, slot + row * tile.rowBytes() + (swizzled << 4)),
                  offset);
    };
    Val xAddress = address(xRow, xChunk, 0);
    Val wAddress = address(wRow, wChunk, tile.rows * tile.rowBytes());
    SmallVector<Vals> xFragments, wFragments;
    for (int64_t i = 0; i != rowBlocks; ++i)
      xFragments.push_back(
          k.loadMatrices(k.at(xAddress, i * 16 * tile.rowBytes())));
    for (int64_t j = 0; j != columnBlocks / 2; ++j)
      wFragments.push_back(
          k.loadMatrices(k.at(wAddress, j * 16 * tile.rowBytes())));
    for (int64_t i = 0; i != rowBlocks; ++i)
      for (int64_t j = 0; j != columnBlocks; ++j) {
        MutableArrayRef<Val> tileSums(sums.data() + 4 * (i * columnBlocks + j),
                                      4);
        Vals next = k.mma(
            xFragments[i],
            ArrayRef<Val>(wFragments[j / 2]).slice(2 * (j % 2), 2), tileSums);
        llvm::copy(next, tileSums.begin());
      }
  }
  return sums;
}

void RowsProductBody::build() {
  int64_t rowBlocks = tile.warpRows / 16, columnBlocks = tile.warpColumns / 8;
  int64_t steps = (product.depth + tile.depth - 1) / tile.depth;
  int64_t ringBytes = tile.stages * tile.stageBytes();
  for (int64_t s = 0; s != tile.stages - 1; ++s)
    copyTile(k.i32(s * tile.depth), k.i32(s * tile.stageBytes()));

  Vals carried{k.i32(0), k.i32((tile.stages - 1) * tile.stageBytes())};
  carried.append(k.zeros(4 * rowBlocks * columnBlocks));
  auto wrapped = [&](Val slot) {
    return k.select(slot.equals(k.i32(ringBytes)), k.i32(0), slot);
  };
  Vals last = k.loop(
      k.i32(0), k.i32(steps), 1, carried, [&](Val i, const Vals &values) {
        // One barrier a step: the slot that is filled now was last read in the
        // step before.
        k.waitForCopies(tile.stages - 2);
        k.barrier();
        Val readSlot = values[0], writeSlot = values[1];
        copyTile((i + (tile.stages - 1)) * tile.depth, writeSlot);
        Vals next{wrapped(readSlot + tile.stageBytes()),
                  wrapped(writeSlot + tile.stageBytes())};
        next.append(
            multiply(readSlot, Vals(ArrayRef<Val>(values).drop_front(2))));
        return next;
      });

  ArrayRef<Val> sums = ArrayRef<Val>(last).drop_front(2);
  Val row0 = firstRow + warpRow + (lane >> 2);
  Val column0 = firstColumn + warpColumn + ((lane & 3) << 1);
  bool isWhole = product.columns % tile.columns == 0;
  for (int64_t i = 0; i != rowBlocks; ++i)
    for (int64_t half = 0; half != 2; ++half) {
      // Of the row, pairs of neighbouring columns, 8 columns apart.
      SmallVector<ColumnPair> pairs;
      for (int64_t j = 0; j != columnBlocks; ++j) {
        int64_t at = 4 * (i * columnBlocks + j) + 2 * half;
        pairs.push_back({sums[at], sums[at + 1]});
      }
      Val row = row0 + (16 * i + 8 * half);
      k.when(row < rowCount, [&] {
        storePairs(k, product,
                   k.at(result, k.wide(row) * resultRowBytes(product)), column0,
                   pairs, /*checkColumns=*/!isWhole);
      });
    }
}

KernelLaunch flow::cuda::buildRowsProduct(OpBuilder &builder,
                                          const KernelTarget &target,
                                          const Product &product) {
  KernelLaunch launch;
  launch.kernel = "rows_" + nameOf(product);
  launch.threads = kTile.threads();
  launch.sharedBytes = kTile.stages * kTile.stageBytes();
  launch.blocksOfSm = 2;
  launch.grid = {
      GridSize{(product.columns + kTile.columns - 1) / kTile.columns},
      GridSize{1, kTile.rows}, GridSize{1}};
  addKernel(
      builder, target, launch,
      {Access::ReadOnly, Access::ReadOnly, Access::ReadWrite, Access::ReadOnly},
      [&](KernelBuilder &k, const Vals &parameters) {
        RowsProductBody(k, product, kTile, parameters).build();
      });
  return launch;
}
