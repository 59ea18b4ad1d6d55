// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that give each row of a stream to a CTA: embedding, norms, sums.

#include "BlockRow.h"
#include "KernelFunction.h"
#include "WeightBlocks.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

/// Threads that share a row.
static constexpr int64_t kThreads = 128;

static KernelLaunch launchOfRows(std::string kernel) {
  KernelLaunch launch;
  launch.kernel = std::move(kernel);
  launch.threads = kThreads;
  launch.grid = {GridSize{1, 1}, GridSize{1}, GridSize{1}};
  return launch;
}

/// Calls `body` with the first column of each run of `lanes` columns of a row
/// that this thread has.
static void forColumns(KernelBuilder &k, int64_t width, int64_t lanes,
                       llvm::function_ref<void(Val)> body) {
  k.loop(k.threadId() * lanes, k.i32(width), kThreads * lanes, {},
         [&](Val column, const Vals &) {
           body(column);
           return Vals();
         });
}

/// Row `token` of a table in bf16, times `scale`.
static void embedDense(KernelBuilder &k, Val table, Val token, Val result,
                       int64_t width, double scale) {
  Val source = k.at(table, k.wide(token) * (2 * width));
  forColumns(k, width, 8, [&](Val column) {
    Vals pairs = k.load4(k.getI32Type(), k.at(source, k.wide(column << 1)));
    for (int64_t i = 0; i != 2; ++i) {
      auto [a, b] = k.unpackBf16(pairs[2 * i]);
      auto [c, d] = k.unpackBf16(pairs[2 * i + 1]);
      k.store4({a * scale, b * scale, c * scale, d * scale},
               k.at(result, k.wide((column + 4 * i) << 2)));
    }
  });
}

/// The same of a table in blocks, of so many rows: a word of quants a thread.
static void embedBlocks(KernelBuilder &k, const WeightFormat &format, Val table,
                        int64_t rows, Val token, Val result, int64_t width,
                        double factor) {
  Val quants = k.at(table, k.wide(token) * rowBytes(format, width));
  Val scales = k.at(k.at(table, rows * rowBytes(format, width)),
                    k.wide(token) * scaleRowBytes(format, width));
  int64_t weightsOfWord = weightsOfChunk(format) / 4;
  forColumns(k, width, weightsOfWord, [&](Val first) {
    Val word = first / weightsOfWord;
    Val chunk = word >> 2, t = word & 3;
    Val firstOfChunk = chunk * weightsOfChunk(format);
    Val block = firstOfChunk / format.block;
    // A pair of scales is the least that is read.
    int64_t size = std::max<int64_t>(4, scaleBytes(format));
    Vals words;
    for (int64_t i = 0; i != size; i += 4)
      words.push_back(k.loadI32(k.at(
          scales, k.wide(block / (size / scaleBytes(format)) * size + i))));
    BlockScale scale = readScale(k, format, words, block);
    Val turn = turnOf(format, firstOfChunk >> 5);
    SmallVector<QuantPair> pairs =
        widenToF32(k, format, k.loadI32(k.at(quants, k.wide(word << 2))));
    for (auto [i, pair] : llvm::enumerate(pairs)) {
      auto value = [&](Val quant) {
        Val scaled = quant * scale.scale;
        return (format.hasMin ? scaled + scale.min : scaled) * factor;
      };
      Val column = firstOfChunk + ((turn ^ k.i32(i)) << 3) + (t << 1);
      k.store2(value(pair.first), value(pair.second),
               k.at(result, k.wide(column << 2)));
    }
  });
}

KernelLaunch flow::cuda::buildEmbed(OpBuilder &builder,
                                    const KernelTarget &target, int64_t width,
                                    double scale, const WeightFormat &table,
                                    int64_t rows) {
  // Where scales are depends on the number of rows.
  std::string name =
      llvm::formatv("embed_{0}{1}_{2}", width, suffixOf(table), bitsOf(scale));
  if (table.isBlocks())
    name += "_of_" + std::to_string(rows);
  KernelLaunch launch = launchOfRows(std::move(name));
  addKernel(builder, target, launch,
            {Access::ReadOnly, Access::ReadOnly, Access::ReadWrite},
            [&](KernelBuilder &k, const Vals &parameters) {
              Val row = k.blockIdX();
              Val token = k.loadI32(k.at(parameters[0], k.wide(row << 2)));
              Val result = k.at(parameters[2], k.wide(row) * (4 * width));
              if (table.isBlocks())
                embedBlocks(k, table, parameters[1], rows, token, result, width,
                            scale);
              else
                embedDense(k, parameters[1], token, result, width, scale);
            });
  return launch;
}

KernelLaunch flow::cuda::buildLastRow(OpBuilder &builder,
                                      const KernelTarget &target,
                                      int64_t rowBytes) {
  KernelLaunch launch = launchOfRows(llvm::formatv("last_row_{0}", rowBytes));
  launch.grid[0] = GridSize{1};
  addKernel(builder, target, launch,
            {Access::ReadOnly, Access::ReadWrite, Access::ReadOnly},
            [&](KernelBuilder &k, const Vals &parameters) {
              Val last = loadStep(k, parameters[2], StepField::Rows) - 1;
              Val source = k.at(parameters[0], k.wide(last) * rowBytes);
              forColumns(k, rowBytes / 4, 4, [&](Val column) {
                Val offset = k.wide(column << 2);
                k.store4(k.load4(k.getI32Type(), k.at(source, offset)),
                         k.at(parameters[1], offset));
              });
            });
  return launch;
}

/// Gives each row of a norm, as wide as it is, to a CTA.
static KernelLaunch launchOfNorms(std::string kernel, int64_t width) {
  KernelLaunch launch = launchOfRows(std::move(kernel));
  launch.threads = BlockRow::threadsFor(width);
  return launch;
}

static int64_t elementBytes(RowType type) {
  return type == RowType::Bf16 ? 2 : 4;
}

KernelLaunch flow::cuda::buildRowNorm(OpBuilder &builder,
                                      const KernelTarget &target,
                                      const RowNorm &norm) {
  KernelLaunch launch = launchOfNorms("norm_" + nameOf(norm), norm.width);
  launch.sharedBytes = BlockRow::bytesOfSum(launch.threads);
  launch.grid[0].times = norm.heads;
  SmallVector<Access> access{Access::ReadOnly};
  if (norm.hasWeight)
    access.push_back(Access::ReadOnly);
  access.push_back(Access::ReadWrite);
  addKernel(builder, target, launch, access,
            [&](KernelBuilder &k, const Vals &parameters) {
              Val index = k.wide(k.blockIdX());
              BlockRow row(k, norm.width, launch.threads);
              Vals values =
                  row.load(k.at(parameters.front(), index * (4 * norm.width)));
              Vals weight = norm.hasWeight ? row.load(parameters[1]) : Vals();
              Val inverse = row.inverseRoot(values, norm.eps, k.sharedMemory());
              for (auto [i, value] : llvm::enumerate(values)) {
                value = value * inverse;
                if (norm.hasWeight)
                  value = value * weight[i];
              }
              row.store(values,
                        k.at(parameters.back(),
                             index * (elementBytes(norm.result) * norm.width)),
                        norm.result);
            });
  return launch;
}

KernelLaunch flow::cuda::buildSumNorm(OpBuilder &builder,
                                      const KernelTarget &target,
                                      const SumNorm &norm) {
  const RowNorm &rows = norm.norm;
  KernelLaunch launch = launchOfNorms(nameOf(norm), rows.width);
  launch.sharedBytes = bytesOfSumNorm(norm, launch.threads);
  SmallVector<Access> access = accessOf(norm);
  access.append(2, Access::ReadWrite);
  addKernel(builder, target, launch, access,
            [&](KernelBuilder &k, const Vals &parameters) {
              Val index = k.wide(k.blockIdX());
              BlockRow row(k, rows.width, launch.threads);
              SumAndNormed result = sumAndNorm(
                  k, row, norm, operandsOf(k, norm, parameters, index),
                  k.sharedMemory());
              size_t count = parameters.size();
              row.store(result.sum,
                        k.at(parameters[count - 2], index * (4 * rows.width)),
                        RowType::F32);
              row.store(result.normed,
                        k.at(parameters[count - 1],
                             index * (elementBytes(rows.result) * rows.width)),
                        rows.result);
            });
  return launch;
}
