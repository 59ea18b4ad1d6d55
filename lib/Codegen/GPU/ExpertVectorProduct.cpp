// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of one row by the weights of the experts that it chose, whose
// numbers are in memory: each warp streams rows of them through a queue of
// copies.

#include "ExpertProducts.h"
#include "ProductEpilogue.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

namespace {

constexpr int64_t kWarps = 4;
/// Copies of 16 bytes that a lane has under way, and one more.
constexpr int64_t kQueue = 8;
/// Weights that a warp takes at a time, and of them a lane.
constexpr int64_t kLaneWeights = 8, kStepWeights = 32 * kLaneWeights;

/// Builds the body of a kernel whose warps have a column each, and for it so
/// many rows of weights.
class ExpertVectorBody {
public:
  ExpertVectorBody(KernelBuilder &k, const Product &product, Val x, Val weights,
                   Val experts, int64_t rows);

  /// The column of gates and ups of choice blockIdY.
  void buildGates(Val result);
  /// The column of the sum over all choices.
  void buildDown(Val shares, Val result);

private:
  bool isGated() const { return product.epilogue == Epilogue::Gated; }
  int64_t steps() const {
    return (product.depth + kStepWeights - 1) / kStepWeights;
  }
  /// The `index`-th row of weights of this warp, and of x that meets it.
  Val weightRow(Val index);
  Val xRow(Val index);
  /// Starts the first copies.
  void start();
  /// Starts the copy of the warp's `item`-th step.
  void copyStep(Val item);
  /// The sum of row `index`, in every lane.
  Val sumRow(Val index);
  void storeColumn(Val result, Val sum, Val up);

  KernelBuilder &k;
  const Product &product;
  Val x, weights, experts;
  int64_t rows;
  Val lane, column, slot;
};

} // namespace

ExpertVectorBody::ExpertVectorBody(KernelBuilder &k, const Product &product,
                                   Val x, Val weights, Val experts,
                                   int64_t rows)
    : k(k), product(product), x(x), weights(weights), experts(experts),
      rows(rows) {
  Val thread = k.threadId();
  lane = thread & 31;
  Val warp = thread >> 5;
  column = k.blockIdX() * kWarps + warp;
  // Slots of a lane are 512 bytes apart: those of a warp fill all banks.
  slot = k.at(k.sharedMemory(), (warp * (32 * kQueue) + lane) << 4);
}

Val ExpertVectorBody::weightRow(Val index) {
  Val choice = isGated() ? k.blockIdY() : index;
  Val expert = k.loadI32(k.at(experts, k.wide(choice << 2)));
  Val row = column;
  if (isGated())
    row = ((column >> 4) << 5) + (column & (kGateColumns - 1)) +
          index * kGateColumns;
  return k.at(weights, (k.wide(expert) * product.columns + k.wide(row)) *
                           (2 * product.depth));
}

Val ExpertVectorBody::xRow(Val index) {
  return isGated() ? x : k.at(x, k.wide(index) * (2 * product.depth));
}

void ExpertVectorBody::start() {
  for (int64_t i = 0; i != kQueue - 1; ++i)
    copyStep(k.i32(i));
}

void ExpertVectorBody::copyStep(Val item) {
  Val depth = (item % steps()) * kStepWeights + lane * kLaneWeights;
  Val exists = (item < rows * steps()) & (column < resultColumns(product));
  if (product.depth % kStepWeights != 0)
    exists = exists & (depth < product.depth);
  // Of a step behind the last one too, the expert's number is read.
  Val index = (item / steps()).min(k.i32(rows - 1));
  k.copyAsync16(k.at(slot, (item & (kQueue - 1)) << 9),
                k.at(weightRow(index), k.wide(depth << 1)),
                k.select(exists, k.i32(16), k.i32(0)));
  k.commitCopies();
}

Val ExpertVectorBody::sumRow(Val index) {
  Val row = xRow(index);
  Vals sums = k.loop(
      k.i32(0), k.i32(steps()), 1, k.zeros(2), [&](Val i, const Vals &carried) {
        Val item = index * steps() + i;
        // Into the slot that the last step emptied.
        copyStep(item + (kQueue - 1));
        k.waitForCopies(kQueue - 1);
        Vals w =
            k.load4(k.getI32Type(), k.at(slot, (item & (kQueue - 1)) << 9));
        Val depth = i * kStepWeights + lane * kLaneWeights;
        auto multiply = [&] {
          Vals values = k.load4(k.getI32Type(), k.at(row, k.wide(depth << 1)));
          Val low = carried[0], high = carried[1];
          for (auto [a, b] : llvm::zip(w, values)) {
            auto [a0, a1] = k.unpackBf16(a);
            auto [b0, b1] = k.unpackBf16(b);
            low = k.fma(a0, b0, low);
            high = k.fma(a1, b1, high);
          }
          return Vals{low, high};
        };
        if (product.depth % kStepWeights == 0)
          return multiply();
        return k.when(depth < product.depth, carried, multiply);
      });
  return k.warpSum(sums[0] + sums[1]);
}

void ExpertVectorBody::storeColumn(Val result, Val sum, Val up) {
  Val stores = lane.equals(k.i32(0)) & (column < resultColumns(product));
  k.when(stores, [&] { storeSingle(k, product, result, column, sum, up); });
}

void ExpertVectorBody::buildGates(Val result) {
  start();
  // A loop rather than two copies of it, which need registers of their own.
  Vals sums = k.loop(k.i32(0), k.i32(2), 1, k.zeros(2),
                     [&](Val half, const Vals &carried) {
                       return Vals{carried[1], sumRow(half)};
                     });
  Val row = k.at(result, k.wide(k.blockIdY()) * resultRowBytes(product));
  storeColumn(row, sums[0], sums[1]);
}

void ExpertVectorBody::buildDown(Val shares, Val result) {
  start();
  Vals sums = k.loop(k.i32(0), k.i32(rows), 1, k.zeros(1),
                     [&](Val choice, const Vals &carried) {
                       Val share = k.loadF32(k.at(shares, k.wide(choice << 2)));
                       return Vals{k.fma(share, sumRow(choice), carried[0])};
                     });
  storeColumn(result, sums[0], Val());
}

/// The launch of a kernel called `name` that makes the columns of `product`.
static KernelLaunch launchOfColumns(std::string name, const Product &product) {
  KernelLaunch launch;
  launch.kernel = std::move(name);
  launch.threads = 32 * kWarps;
  launch.sharedBytes = kWarps * kQueue * 32 * 16;
  // As of the products of one row.
  launch.blocksOfSm = 4;
  launch.grid = {GridSize{(resultColumns(product) + kWarps - 1) / kWarps},
                 GridSize{1}, GridSize{1}};
  return launch;
}

VectorExperts flow::cuda::buildVectorExperts(OpBuilder &builder,
                                             const KernelTarget &target,
                                             const ExpertMlp &mlp) {
  Product gates = gatesOf(mlp), down = downOf(mlp);
  VectorExperts experts;
  experts.gates = launchOfColumns("experts_vector_" + nameOf(gates), gates);
  experts.gates.grid[1].times = mlp.chosen;
  addKernel(
      builder, target, experts.gates,
      {Access::ReadOnly, Access::ReadOnly, Access::ReadOnly, Access::ReadWrite},
      [&](KernelBuilder &k, const Vals &parameters) {
        ExpertVectorBody(k, gates, parameters[0], parameters[1], parameters[2],
                         /*rows=*/2)
            .buildGates(parameters[3]);
      });
  experts.down = launchOfColumns(
      llvm::formatv("experts_{0}_vector_{1}", mlp.chosen, nameOf(down)), down);
  addKernel(builder, target, experts.down,
            {Access::ReadOnly, Access::ReadOnly, Access::ReadOnly,
             Access::ReadOnly, Access::ReadWrite},
            [&](KernelBuilder &k, const Vals &parameters) {
              ExpertVectorBody(k, down, parameters[0], parameters[1],
                               parameters[2], mlp.chosen)
                  .buildDown(parameters[3], parameters[4]);
            });
  return experts;
}
