// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that give each row of a stream to a CTA: embedding, norms, sums.

#include "KernelFunction.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

/// Threads that share a row.
static constexpr int64_t kThreads = 128;

static KernelLaunch launchOfRows(std::string kernel, int64_t sharedBytes) {
  KernelLaunch launch;
  launch.kernel = std::move(kernel);
  launch.threads = kThreads;
  launch.sharedBytes = sharedBytes;
  launch.grid = {GridSize{1, 1}, GridSize{1}, GridSize{1}};
  return launch;
}

/// Calls `body` with the first column of each run of `lanes` columns of a row
/// that this thread has.
static Vals forColumns(KernelBuilder &k, int64_t width, int64_t lanes,
                       const Vals &carried,
                       llvm::function_ref<Vals(Val, const Vals &)> body) {
  return k.loop(k.threadId() * lanes, k.i32(width), kThreads * lanes, carried,
                body);
}

/// The sum of `value` over the CTA. Sums of one kernel have different slots.
static Val blockSum(KernelBuilder &k, Val value, int64_t slot) {
  constexpr int64_t kWarps = kThreads / 32;
  value = k.warpSum(value);
  Val thread = k.threadId();
  Val sums = k.at(k.sharedMemory(), slot * kWarps * 4);
  k.when((thread & 31).equals(k.i32(0)),
         [&] { k.store(value, k.at(sums, (thread >> 5) << 2), 4); });
  k.barrier();
  Val total = k.loadF32(sums);
  for (int64_t i = 1; i != kWarps; ++i)
    total = total + k.loadF32(k.at(sums, 4 * i));
  return total;
}

/// Shared memory of so many sums.
static int64_t bytesOfSums(int64_t count) { return count * 4 * kThreads / 32; }

/// `1 / sqrt(sum / width + eps)`.
static Val inverseRoot(KernelBuilder &k, Val sumOfSquares,
                       const RowNorm &norm) {
  double width = static_cast<double>(norm.width);
  return k.reciprocalSqrt(
      k.fma(sumOfSquares, k.f32(1 / width), k.f32(norm.eps)));
}

/// The sum of squares of a row, over the CTA.
static Val sumOfSquares(KernelBuilder &k, Val row, int64_t width,
                        int64_t slot) {
  Vals sums =
      forColumns(k, width, 4, k.zeros(1), [&](Val column, const Vals &carried) {
        Val sum = carried[0];
        for (Val x : k.load4(k.getF32Type(), k.at(row, k.wide(column << 2))))
          sum = k.fma(x, x, sum);
        return Vals{sum};
      });
  return blockSum(k, sums[0], slot);
}

static int64_t elementBytes(RowType type) {
  return type == RowType::Bf16 ? 2 : 4;
}

/// Stores four neighbouring values of a row.
static void storeRow4(KernelBuilder &k, const Vals &values, Val row, Val column,
                      RowType type) {
  Val pointer = k.at(row, k.wide(column * elementBytes(type)));
  if (type == RowType::F32)
    return k.store4(values, pointer);
  k.store2(k.packBf16(values[0], values[1]), k.packBf16(values[2], values[3]),
           pointer);
}

/// `row * inverse * weight`, the weight of ones if there is none.
static void storeNormed(KernelBuilder &k, const RowNorm &norm, Val row,
                        Val inverse, Val weight, Val result) {
  forColumns(k, norm.width, 4, {}, [&](Val column, const Vals &) {
    Val offset = k.wide(column << 2);
    Vals values = k.load4(k.getF32Type(), k.at(row, offset));
    for (Val &value : values)
      value = value * inverse;
    if (norm.hasWeight)
      for (auto [value, factor] :
           llvm::zip(values, k.load4(k.getF32Type(), k.at(weight, offset))))
        value = value * factor;
    storeRow4(k, values, result, column, norm.result);
    return Vals();
  });
}

KernelLaunch flow::cuda::buildEmbed(OpBuilder &builder,
                                    const KernelTarget &target, int64_t width,
                                    double scale) {
  KernelLaunch launch =
      launchOfRows(llvm::formatv("embed_{0}_{1}", width, bitsOf(scale)), 0);
  addKernel(builder, target, launch,
            {Access::ReadOnly, Access::ReadOnly, Access::ReadWrite},
            [&](KernelBuilder &k, const Vals &parameters) {
              Val row = k.blockIdX();
              Val token = k.loadI32(k.at(parameters[0], k.wide(row << 2)));
              Val source = k.at(parameters[1], k.wide(token) * (2 * width));
              Val result = k.at(parameters[2], k.wide(row) * (4 * width));
              forColumns(k, width, 8, {}, [&](Val column, const Vals &) {
                Vals pairs =
                    k.load4(k.getI32Type(), k.at(source, k.wide(column << 1)));
                for (int64_t i = 0; i != 2; ++i) {
                  auto [a, b] = k.unpackBf16(pairs[2 * i]);
                  auto [c, d] = k.unpackBf16(pairs[2 * i + 1]);
                  storeRow4(k, {a * scale, b * scale, c * scale, d * scale},
                            result, column + 4 * i, RowType::F32);
                }
                return Vals();
              });
            });
  return launch;
}

KernelLaunch flow::cuda::buildLastRow(OpBuilder &builder,
                                      const KernelTarget &target,
                                      int64_t rowBytes) {
  KernelLaunch launch =
      launchOfRows(llvm::formatv("last_row_{0}", rowBytes), 0);
  launch.grid[0] = GridSize{1};
  addKernel(builder, target, launch,
            {Access::ReadOnly, Access::ReadWrite, Access::ReadOnly},
            [&](KernelBuilder &k, const Vals &parameters) {
              Val last = loadStep(k, parameters[2], StepField::Rows) - 1;
              Val source = k.at(parameters[0], k.wide(last) * rowBytes);
              forColumns(k, rowBytes / 4, 4, {}, [&](Val column, const Vals &) {
                Val offset = k.wide(column << 2);
                k.store4(k.load4(k.getI32Type(), k.at(source, offset)),
                         k.at(parameters[1], offset));
                return Vals();
              });
            });
  return launch;
}

static std::string nameOf(const RowNorm &norm) {
  std::string heads =
      norm.heads == 1 ? "" : llvm::formatv("{0}x", norm.heads).str();
  return llvm::formatv("{0}{1}_{2}{3}_{4}", heads, norm.width, bitsOf(norm.eps),
                       norm.hasWeight ? "_weighted" : "",
                       norm.result == RowType::Bf16 ? "bf16" : "f32");
}

KernelLaunch flow::cuda::buildRowNorm(OpBuilder &builder,
                                      const KernelTarget &target,
                                      const RowNorm &norm) {
  KernelLaunch launch = launchOfRows("norm_" + nameOf(norm), bytesOfSums(1));
  launch.grid[0].times = norm.heads;
  SmallVector<Access> access{Access::ReadOnly};
  if (norm.hasWeight)
    access.push_back(Access::ReadOnly);
  access.push_back(Access::ReadWrite);
  addKernel(builder, target, launch, access,
            [&](KernelBuilder &k, const Vals &parameters) {
              Val index = k.wide(k.blockIdX());
              Val row = k.at(parameters.front(), index * (4 * norm.width));
              Val result =
                  k.at(parameters.back(),
                       index * (elementBytes(norm.result) * norm.width));
              Val inverse =
                  inverseRoot(k, sumOfSquares(k, row, norm.width, 0), norm);
              storeNormed(k, norm, row, inverse, parameters[1], result);
            });
  return launch;
}

KernelLaunch flow::cuda::buildSumNorm(OpBuilder &builder,
                                      const KernelTarget &target,
                                      const SumNorm &norm) {
  const RowNorm &rows = norm.norm;
  std::string name = llvm::formatv("sum_norm_{0}{1}{2}", nameOf(rows),
                                   norm.hasBranchWeight ? "_branch" : "",
                                   norm.hasSumScale ? "_scaled" : "");
  KernelLaunch launch = launchOfRows(std::move(name), bytesOfSums(2));
  SmallVector<Access> access(3 + norm.hasBranchWeight + norm.hasSumScale,
                             Access::ReadOnly);
  access.append(2, Access::ReadWrite);
  addKernel(
      builder, target, launch, access,
      [&](KernelBuilder &k, const Vals &parameters) {
        const Val *next = parameters.begin();
        Val index = k.wide(k.blockIdX()), offset = index * (4 * rows.width);
        Val stream = k.at(*next++, offset), branch = k.at(*next++, offset);
        Val branchWeight = norm.hasBranchWeight ? *next++ : Val();
        Val factor = norm.hasSumScale ? k.loadF32(*next++) : Val();
        Val weight = *next++, sum = k.at(*next++, offset);
        Val normed =
            k.at(*next++, index * (elementBytes(rows.result) * rows.width));
        Val branchInverse =
            norm.hasBranchWeight
                ? inverseRoot(k, sumOfSquares(k, branch, rows.width, 0), rows)
                : Val();
        Vals squares = forColumns(
            k, rows.width, 4, k.zeros(1), [&](Val column, const Vals &carried) {
              Val at = k.wide(column << 2);
              Vals values = k.load4(k.getF32Type(), k.at(branch, at));
              if (norm.hasBranchWeight)
                for (auto [value, scale] :
                     llvm::zip(values,
                               k.load4(k.getF32Type(), k.at(branchWeight, at))))
                  value = value * branchInverse * scale;
              Val total = carried[0];
              for (auto [value, old] : llvm::zip(
                       values, k.load4(k.getF32Type(), k.at(stream, at)))) {
                value = value + old;
                if (norm.hasSumScale)
                  value = value * factor;
                total = k.fma(value, value, total);
              }
              k.store4(values, k.at(sum, at));
              return Vals{total};
            });
        Val inverse = inverseRoot(k, blockSum(k, squares[0], 1), rows);
        // Each thread reads the sums that it has written itself.
        storeNormed(k, rows, sum, inverse, weight, normed);
      });
  return launch;
}
