// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of many rows by wgmma: one warp fetches tiles by tensor maps into a
// ring, two warpgroups multiply them where they lie.

#include "KernelFunction.h"
#include "ProductEpilogue.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace flow::cuda;

namespace {

/// A step of the depth fills a row of the swizzle: 128 bytes.
constexpr int64_t kDepth = 64, kRowBytes = 2 * kDepth;
constexpr int64_t kStages = 4;
/// Warpgroups that multiply, and the rows of each: those of a wgmma.
constexpr int64_t kWarpgroups = 2, kRowsOfWarpgroup = 64;
constexpr int64_t kRows = kWarpgroups * kRowsOfWarpgroup;
constexpr int64_t kMultiplyingWarps = 4 * kWarpgroups;
constexpr int64_t kThreads = 32 * (kMultiplyingWarps + 1);

/// What CTAs of a product share out: tiles of kRows rows and so many columns.
struct Tile {
  int64_t columns;

  int64_t rowTileBytes() const { return kRows * kRowBytes; }
  int64_t stageBytes() const { return (kRows + columns) * kRowBytes; }
  /// Behind the ring, an mbarrier for each full and each empty stage.
  int64_t barriersBegin() const { return kStages * stageBytes(); }
  int64_t sharedBytes() const { return barriersBegin() + 2 * kStages * 8; }
};

/// 256 columns are the widest wgmma, which reads the least of shared memory for
/// a product; 128 make twice as many CTAs. In a step of 512 rows on the 132 SMs
/// of an H100 the one wins whose SMs with the most CTAs have fewer columns.
Tile tileFor(const Product &product) {
  constexpr int64_t kStepRows = 512, kSms = 132;
  auto columnsOfSm = [&](int64_t width) {
    int64_t ctas =
        static_cast<int64_t>(llvm::divideCeil(product.columns, width)) *
        (kStepRows / kRows);
    return static_cast<int64_t>(llvm::divideCeil(ctas, kSms)) * width;
  };
  return {columnsOfSm(256) <= columnsOfSm(128) ? int64_t(256) : int64_t(128)};
}

/// Builds the body of one product.
class WarpgroupProductBody {
public:
  WarpgroupProductBody(KernelBuilder &k, const Product &product,
                       const Tile &tile, const Vals &parameters);

  void build();

private:
  /// Of step `i`: where its stage begins, and the barriers of the stage.
  Val stage(Val i) { return k.at(shared, (i % kStages) * tile.stageBytes()); }
  Val full(Val i) { return k.at(barriers, (i % kStages) << 3); }
  Val empty(Val i) {
    return k.at(k.at(barriers, 8 * kStages), (i % kStages) << 3);
  }
  /// Of the phase of its stage's barriers in which step `i` falls.
  Val parity(Val i) { return (i / kStages) & 1; }
  int64_t steps() const { return llvm::divideCeil(product.depth, kDepth); }

  void initBarriers();
  void fetch();
  Vals multiplyStep(Val i, Vals sums);
  void multiply();
  void store(const Vals &sums);

  KernelBuilder &k;
  const Product &product;
  const Tile &tile;
  Val x, weights, result, step;
  Val shared, barriers, thread, lane, warp, firstRow, firstColumn;
};

} // namespace

WarpgroupProductBody::WarpgroupProductBody(KernelBuilder &k,
                                           const Product &product,
                                           const Tile &tile,
                                           const Vals &parameters)
    : k(k), product(product), tile(tile), x(parameters[0]),
      weights(parameters[1]), result(parameters[2]), step(parameters[3]) {
  shared = k.sharedMemory();
  barriers = k.at(shared, tile.barriersBegin());
  thread = k.threadId();
  lane = thread & 31;
  warp = thread >> 5;
  firstRow = k.blockIdY() * kRows;
  firstColumn = k.blockIdX() * tile.columns;
}

void WarpgroupProductBody::initBarriers() {
  k.when(thread.equals(k.i32(0)), [&] {
    for (int64_t s = 0; s != kStages; ++s) {
      k.initBarrier(full(k.i32(s)), 1);
      k.initBarrier(empty(k.i32(s)), kMultiplyingWarps);
    }
    k.fenceAsyncProxy();
  });
  k.barrier();
}

/// One thread fills stage after stage. What is beyond the matrices comes as
/// zeros, and counts as bytes that came.
void WarpgroupProductBody::fetch() {
  k.loop(k.i32(0), k.i32(steps()), 1, {}, [&](Val i, const Vals &) {
    // The first time around, the phase before the first counts as over.
    k.waitForPhase(empty(i), parity(i) ^ 1);
    k.expectBytes(full(i), tile.stageBytes());
    k.fetchBox(stage(i), x, firstRow, i * kDepth, full(i));
    k.fetchBox(k.at(stage(i), tile.rowTileBytes()), weights, firstColumn,
               i * kDepth, full(i));
    return Vals();
  });
}

/// Adds the product of step `i` to `sums`, as a group of its own.
Vals WarpgroupProductBody::multiplyStep(Val i, Vals sums) {
  Val ownRows = (warp >> 2) * (kRowsOfWarpgroup * kRowBytes);
  k.waitForPhase(full(i), parity(i));
  Val a = k.matrixDescriptor(k.at(stage(i), ownRows));
  Val b = k.matrixDescriptor(k.at(stage(i), tile.rowTileBytes()));
  // 16 of the depth are 32 bytes further in the swizzled row, and addresses
  // count in units of 16.
  for (int64_t kk = 0; kk != kDepth / 16; ++kk)
    sums = k.multiplyMatrices(a + 2 * kk, b + 2 * kk, sums);
  k.commitProducts();
  return sums;
}

void WarpgroupProductBody::multiply() {
  Vals sums = k.fenceProducts(k.zeros(tile.columns / 2));
  sums = multiplyStep(k.i32(0), sums);
  sums = k.loop(
      k.i32(1), k.i32(steps()), 1, sums, [&](Val i, const Vals &carried) {
        Vals next = multiplyStep(i, carried);
        // The products of the step before are over: its stage may be
        // filled again.
        next = k.waitForProducts(1, next);
        k.when(lane.equals(k.i32(0)), [&] { k.arrive(empty(i - 1)); });
        return next;
      });
  store(k.waitForProducts(0, sums));
}

void WarpgroupProductBody::store(const Vals &sums) {
  Val rowCount = loadStep(k, step, StepField::Rows);
  Val row0 = firstRow + warp * 16 + (lane >> 2);
  Val column0 = firstColumn + ((lane & 3) << 1);
  for (int64_t half = 0; half != 2; ++half) {
    // Of the row, pairs of neighbouring columns, 8 columns apart.
    SmallVector<ColumnPair> pairs;
    for (size_t j = 0; j != sums.size() / 4; ++j)
      pairs.push_back({sums[4 * j + 2 * half], sums[4 * j + 2 * half + 1]});
    Val row = row0 + 8 * half;
    k.when(row < rowCount, [&] {
      storePairs(k, product,
                 k.at(result, k.wide(row) * resultRowBytes(product)), column0,
                 pairs, product.columns % tile.columns != 0);
    });
  }
}

void WarpgroupProductBody::build() {
  initBarriers();
  k.when(warp.equals(k.i32(kMultiplyingWarps)) & lane.equals(k.i32(0)),
         [&] { fetch(); });
  k.when(warp < kMultiplyingWarps, [&] { multiply(); });
}

KernelLaunch flow::cuda::buildWarpgroupProduct(OpBuilder &builder,
                                               const KernelTarget &target,
                                               const Product &product) {
  Tile tile = tileFor(product);
  KernelLaunch launch;
  launch.kernel = "warpgroup_" + nameOf(product);
  launch.threads = kThreads;
  launch.sharedBytes = tile.sharedBytes();
  launch.grid = {GridSize{static_cast<int64_t>(
                     llvm::divideCeil(product.columns, tile.columns))},
                 GridSize{1, kRows}, GridSize{1}};
  launch.boxes = {{kRows, kDepth}, {tile.columns, kDepth}};
  addKernel(builder, target, launch,
            {Access::TensorMap, Access::TensorMap, Access::ReadWrite,
             Access::ReadOnly},
            [&](KernelBuilder &k, const Vals &parameters) {
              WarpgroupProductBody(k, product, tile, parameters).build();
            });
  return launch;
}
