// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of many rows: tiles in shared memory, tensor cores, several stages
// of copies under way.

#include "KernelFunction.h"
#include "ProductEpilogue.h"
#include "WeightTile.h"

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
  /// Of x, and of both operands.
  int64_t xBytes() const { return rows * rowBytes(); }
  int64_t stageBytes(const WeightFormat &weights) const {
    return xBytes() + (weights.isBlocks() ? WeightTile::bytes(weights, columns)
                                          : columns * rowBytes());
  }
};

/// Warps of 64 x 64 give four mma an ldmatrix, the most that the accumulators
/// leave registers for. Two CTAs fit on an SM of any architecture. Minima and
/// short blocks need registers of their own, which fewer rows leave.
Tile tileOf(const Product &product) {
  if (product.weights.block == 16)
    return {64, 128, 32, 3, 32, 64};
  if (product.weights.hasMin)
    return {96, 128, 32, 3, 48, 64};
  return {128, 128, 32, 3, 64, 64};
}

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
  /// Starts the copies of tile `i` of the depth into the slot at byte `slot`,
  /// as one group.
  void copyTile(Val i, Val slot);
  /// The address that this lane gives to ldmatrix for chunk `chunk` of row
  /// `row` of x or dense weights.
  Val matrixAddress(Val slot, Val row, Val chunk);
  Vals multiply(Val slot, Val i, const Vals &sums) {
    return blocks ? multiplyBlocks(slot, i, sums) : multiplyDense(slot, sums);
  }
  Vals multiplyDense(Val slot, Vals sums);
  Vals multiplyBlocks(Val slot, Val i, Vals sums);

  KernelBuilder &k;
  const Product &product;
  const Tile &tile;
  Val x, weights, result, step;
  Val shared, lane, warp, rowCount, firstRow, firstColumn;
  /// Of this thread's copies: row and chunk in a pass, and where that lies in
  /// a slot.
  Val copyRow, copyChunk, copyOffset;
  Copies xCopies, weightCopies;
  /// The weights, if they are in blocks.
  std::optional<WeightTile> blocks;
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
  if (product.weights.isBlocks()) {
    blocks.emplace(k, product, weights, firstColumn, tile.columns, thread);
    return;
  }
  bool isWhole = product.columns % tile.columns == 0;
  weightCopies = planCopies(
      weights, firstColumn, tile.columns, tile.xBytes(),
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

void RowsProductBody::copyTile(Val i, Val slot) {
  Val depth = i * tile.depth;
  int64_t rowsOfPass = tile.threads() / tile.chunks();
  // A chunk lies within the depth or beyond it. Of one beyond, or of a row that
  // does not exist, nothing is read and zeros are written.
  Val within = depth + (copyChunk << 3) < product.depth;
  Val bytes = k.select(within, k.i32(16), k.i32(0));
  Val target = k.at(shared, slot + copyOffset);
  for (const Copies *copies : {&xCopies, &weightCopies}) {
    if (copies->passes == 0)
      continue;
    Val source = k.at(copies->source, k.wide(depth << 1));
    for (int64_t pass = 0; pass != copies->passes; ++pass)
      k.copyAsync16(k.at(target, copies->sharedOffset +
                                     pass * rowsOfPass * tile.rowBytes()),
                    k.at(source, pass * rowsOfPass * 2 * product.depth),
                    copies->exists.empty()
                        ? bytes
                        : k.select(copies->exists[pass], bytes, k.i32(0)));
  }
  if (blocks)
    blocks->copy(k.at(shared, slot + tile.xBytes()), i);
  k.commitCopies();
}

Val RowsProductBody::matrixAddress(Val slot, Val row, Val chunk) {
  Val swizzled = swizzle(row, chunk, tile.chunks());
  return k.at(shared, slot + row * tile.rowBytes() + (swizzled << 4));
}

Vals RowsProductBody::multiplyDense(Val slot, Vals sums) {
  Val matrix = lane >> 3, r = lane & 7;
  Val xRow = warpRow + (matrix & 1) * 8 + r, xChunk = matrix >> 1;
  Val wRow = warpColumn + (matrix >> 1) * 8 + r, wChunk = matrix & 1;
  int64_t rowBlocks = tile.warpRows / 16, columnBlocks = tile.warpColumns / 8;
  for (int64_t kk = 0; kk != tile.depth / 16; ++kk) {
    Val xAddress = matrixAddress(slot, xRow, xChunk ^ (2 * kk));
    Val wAddress =
        k.at(matrixAddress(slot, wRow, wChunk ^ (2 * kk)), tile.xBytes());
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

Vals RowsProductBody::multiplyBlocks(Val slot, Val step, Vals sums) {
  const WeightFormat &format = product.weights;
  int64_t rowBlocks = tile.warpRows / 16, columnBlocks = tile.warpColumns / 8;
  // The columns of x in the order in which the blocks have them.
  Val matrix = lane >> 3;
  Val xRow = warpRow + (matrix & 1) * 8 + (lane & 7);
  Val xChunk = (matrix >> 1) ^ turnOf(format, step);
  SmallVector<std::array<Vals, 2>> x(rowBlocks);
  for (int64_t half = 0; half != 2; ++half) {
    Val address = matrixAddress(slot, xRow, xChunk ^ (2 * half));
    for (int64_t i = 0; i != rowBlocks; ++i)
      x[i][half] = k.loadMatrices(k.at(address, i * 16 * tile.rowBytes()));
  }
  // Halves of the depth that are one block.
  SmallVector<SmallVector<int64_t, 2>> halvesOfBlock = {{0, 1}};
  if (format.block == 16)
    halvesOfBlock = {{0}, {1}};
  // Of each block, the sums of x, in the fragments' first and third register.
  SmallVector<SmallVector<Vals>> plain(halvesOfBlock.size());
  if (format.hasMin)
    for (auto [b, halves] : llvm::enumerate(halvesOfBlock))
      for (int64_t i = 0; i != rowBlocks; ++i) {
        Val ones = k.i32(0x3f803f80);
        Vals total = k.zeros(4);
        for (int64_t half : halves)
          total = k.mma(x[i][half], {ones, ones}, total);
        plain[b].push_back(total);
      }

  Val weightSlot = k.at(shared, slot + tile.xBytes());
  for (int64_t j = 0; j != columnBlocks; ++j) {
    WeightTile::Fragments w =
        blocks->load(weightSlot, warpColumn + 8 * j, lane, step);
    for (auto [b, halves] : llvm::enumerate(halvesOfBlock))
      for (int64_t i = 0; i != rowBlocks; ++i) {
        Vals part = k.zeros(4);
        for (int64_t half : halves)
          part = k.mma(x[i][half], w.quants[half], part);
        for (int64_t at = 0; at != 4; ++at) {
          const BlockScale &scale = w.scales[b][at % 2];
          Val &sum = sums[4 * (i * columnBlocks + j) + at];
          sum = k.fma(scale.scale, part[at], sum);
          if (format.hasMin)
            sum = k.fma(scale.min, plain[b][i][at / 2 * 2], sum);
        }
      }
  }
  return sums;
}

void RowsProductBody::build() {
  int64_t rowBlocks = tile.warpRows / 16, columnBlocks = tile.warpColumns / 8;
  int64_t steps = (product.depth + tile.depth - 1) / tile.depth;
  int64_t stageBytes = tile.stageBytes(product.weights);
  int64_t ringBytes = tile.stages * stageBytes;
  for (int64_t s = 0; s != tile.stages - 1; ++s)
    copyTile(k.i32(s), k.i32(s * stageBytes));

  Vals carried{k.i32(0), k.i32((tile.stages - 1) * stageBytes)};
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
        copyTile(i + (tile.stages - 1), writeSlot);
        Vals next{wrapped(readSlot + stageBytes),
                  wrapped(writeSlot + stageBytes)};
        next.append(
            multiply(readSlot, i, Vals(ArrayRef<Val>(values).drop_front(2))));
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
  Tile tile = tileOf(product);
  KernelLaunch launch;
  launch.kernel = "rows_" + nameOf(product);
  launch.threads = tile.threads();
  launch.sharedBytes = tile.stages * tile.stageBytes(product.weights);
  launch.blocksOfSm = 2;
  launch.grid = {GridSize{(product.columns + tile.columns - 1) / tile.columns},
                 GridSize{1, tile.rows}, GridSize{1}};
  addKernel(
      builder, target, launch,
      {Access::ReadOnly, Access::ReadOnly, Access::ReadWrite, Access::ReadOnly},
      [&](KernelBuilder &k, const Vals &parameters) {
        RowsProductBody(k, product, tile, parameters).build();
      });
  return launch;
}
