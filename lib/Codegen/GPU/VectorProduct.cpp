// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of one row: each warp streams rows of the weights through a queue of
// copies in shared memory. The row may come out of a norm that every CTA makes
// for itself while its first weights are under way.

#include "BlockRow.h"
#include "KernelFunction.h"
#include "ProductEpilogue.h"
#include "WeightStream.h"

using namespace mlir;
using namespace flow::cuda;

namespace {

/// Warps of a CTA; more where all of them need the same norm.
int64_t warpsOf(bool isNormed) { return isNormed ? 8 : 4; }

constexpr int64_t kQueue = WeightStream::kQueue;

/// Results that a warp makes. Few where there are few, so that all of a device
/// has work.
int64_t resultsOfWarp(const Product &product) {
  constexpr int64_t kMost = 8, kWarpsWanted = 4096;
  int64_t count = 1;
  while (count < kMost && resultColumns(product) / (2 * count) >= kWarpsWanted)
    count *= 2;
  return count;
}

/// Builds the body of one product.
class VectorProductBody {
public:
  /// `x` is the row: global memory, or shared memory that it will be in.
  VectorProductBody(KernelBuilder &k, const Product &product, int64_t warps,
                    Val x, Val weights, Val result);

  /// Starts the first copies of weights, which need no x.
  void begin();
  void finish();

private:
  int64_t rowsOfResult() const {
    return product.epilogue == Epilogue::Gated ? 2 : 1;
  }
  int64_t stepsOfRow() const { return WeightStream::stepsOfRow(product); }
  /// The row of the weights that is the warp's `index`-th, of the result
  /// `column`.
  Val weightRow(Val column, Val index);
  /// Starts the copy of the warp's `item`-th step.
  void copyStep(Val item);
  /// The sum of row `index` of the warp, in every lane.
  Val sumRow(Val index);

  KernelBuilder &k;
  const Product &product;
  Val x, result;
  Val warp, lane;
  WeightStream weights;
  Val firstColumn;
  int64_t results;
};

} // namespace

VectorProductBody::VectorProductBody(KernelBuilder &k, const Product &product,
                                     int64_t warps, Val x, Val weights,
                                     Val result)
    : k(k), product(product), x(x), result(result), warp(k.threadId() >> 5),
      lane(k.threadId() & 31),
      weights(k, product, weights, k.sharedMemory(), warp, warps, lane),
      firstColumn((k.blockIdX() * warps + warp) * resultsOfWarp(product)),
      results(resultsOfWarp(product)) {}

Val VectorProductBody::weightRow(Val column, Val index) {
  if (product.epilogue != Epilogue::Gated)
    return column;
  return ((column >> 4) << 5) + (column & (kGateColumns - 1)) +
         (index & 1) * kGateColumns;
}

void VectorProductBody::copyStep(Val item) {
  Val index = item / stepsOfRow();
  Val column = firstColumn + index / rowsOfResult();
  Val exists = (item < results * rowsOfResult() * stepsOfRow()) &
               (column < resultColumns(product));
  weights.copy(item, weightRow(column, index), item % stepsOfRow(), exists);
}

Val VectorProductBody::sumRow(Val index) {
  Vals sums = k.loop(k.i32(0), k.i32(stepsOfRow()), 1, k.zeros(2),
                     [&](Val i, const Vals &carried) {
                       Val item = index * stepsOfRow() + i;
                       // Into the slot that the last step emptied.
                       copyStep(item + (kQueue - 1));
                       k.waitForCopies(kQueue - 1);
                       return weights.dot(item, i, x, carried);
                     });
  return k.warpSum(sums[0] + sums[1]);
}

void VectorProductBody::begin() {
  for (int64_t i = 0; i != kQueue - 1; ++i)
    copyStep(k.i32(i));
}

void VectorProductBody::finish() {
  k.loop(k.i32(0), k.i32(results), 1, {}, [&](Val i, const Vals &) {
    Val first, last;
    if (product.epilogue == Epilogue::Gated) {
      // A loop rather than two copies of it, which need registers of their own.
      Vals sums = k.loop(k.i32(0), k.i32(2), 1, k.zeros(2),
                         [&](Val half, const Vals &carried) {
                           return Vals{carried[1], sumRow(i * 2 + half)};
                         });
      first = sums[0];
      last = sums[1];
    } else {
      first = sumRow(i);
    }
    Val column = firstColumn + i;
    Val stores = lane.equals(k.i32(0)) & (column < resultColumns(product));
    k.when(stores,
           [&] { storeSingle(k, product, result, column, first, last); });
    return Vals();
  });
}

/// How a product of one row is launched; its shared memory begins with the
/// queues.
static KernelLaunch launchOf(const Product &product, std::string kernel,
                             int64_t warps) {
  int64_t columnsOfBlock = warps * resultsOfWarp(product);
  KernelLaunch launch;
  launch.kernel = std::move(kernel);
  launch.threads = 32 * warps;
  launch.sharedBytes = WeightStream::sharedBytes(product, warps);
  // Enough for the bytes that must be under way. Without a bound ptxas saves
  // registers for more blocks, and spills; for five it does where rows are
  // long.
  launch.blocksOfSm = 16 / warps;
  launch.grid = {
      GridSize{(resultColumns(product) + columnsOfBlock - 1) / columnsOfBlock},
      GridSize{1}, GridSize{1}};
  return launch;
}

KernelLaunch flow::cuda::buildVectorProduct(OpBuilder &builder,
                                            const KernelTarget &target,
                                            const Product &product) {
  int64_t warps = warpsOf(/*isNormed=*/false);
  KernelLaunch launch = launchOf(product, "vector_" + nameOf(product), warps);
  addKernel(builder, target, launch,
            {Access::ReadOnly, Access::ReadOnly, Access::ReadWrite},
            [&](KernelBuilder &k, const Vals &parameters) {
              VectorProductBody body(k, product, warps, parameters[0],
                                     parameters[1], parameters[2]);
              body.begin();
              body.finish();
            });
  return launch;
}

KernelLaunch flow::cuda::buildNormedVectorProduct(OpBuilder &builder,
                                                  const KernelTarget &target,
                                                  const Product &product,
                                                  const SumNorm &norm) {
  int64_t warps = warpsOf(/*isNormed=*/true);
  KernelLaunch launch =
      launchOf(product, nameOf(norm) + "_vector_" + nameOf(product), warps);
  // The row, and sums of its norm, lie behind the queues.
  int64_t rowOffset = launch.sharedBytes;
  int64_t sumsOffset = rowOffset + 2 * product.depth;
  launch.sharedBytes = sumsOffset + bytesOfSumNorm(norm, launch.threads);
  // A CTA takes a kilobyte more than it asks for, and one may have the whole
  // shared memory of its SM.
  launch.blocksOfSm = std::clamp<int64_t>((target.sharedMemoryLimit + 1024) /
                                              (launch.sharedBytes + 1024),
                                          1, launch.blocksOfSm);
  SmallVector<Access> access = accessOf(norm);
  size_t inputs = access.size();
  access.push_back(Access::ReadOnly);
  access.append(norm.storesSum() ? 2 : 1, Access::ReadWrite);
  addKernel(builder, target, launch, access,
            [&](KernelBuilder &k, const Vals &parameters) {
              Val weights = parameters[inputs];
              Val shared = k.sharedMemory();
              Val x = k.at(shared, rowOffset);
              VectorProductBody body(k, product, warps, x, weights,
                                     parameters.back());
              body.begin();
              BlockRow row(k, product.depth, launch.threads);
              SumAndNormed result = sumAndNorm(
                  k, row, norm, operandsOf(k, norm, parameters, k.i64(0)),
                  k.at(shared, sumsOffset));
              row.store(result.normed, x, RowType::Bf16);
              if (norm.storesSum())
                k.when(k.blockIdX().equals(k.i32(0)), [&] {
                  row.store(result.sum, parameters[inputs + 1], RowType::F32);
                });
              k.barrier();
              body.finish();
            });
  return launch;
}
