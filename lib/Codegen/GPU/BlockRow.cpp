// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads, norms and stores rows that a CTA holds in registers.

#include "BlockRow.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

int64_t BlockRow::threadsFor(int64_t width) {
  constexpr int64_t kFewest = 128, kMost = 512, kNumbersOfThread = 16;
  int64_t threads = kFewest;
  while (threads < kMost && threads * kNumbersOfThread < width)
    threads *= 2;
  return threads;
}

Vals BlockRow::load(Val row) {
  Vals values;
  for (int64_t run = 0; run != runs(); ++run) {
    Val column = columnOf(run);
    auto read = [&] {
      return k.load4(k.getF32Type(), k.at(row, k.wide(column << 2)));
    };
    values.append(isWhole(run) ? read()
                               : k.when(column < width, k.zeros(4), read));
  }
  return values;
}

void BlockRow::store(const Vals &values, Val row, RowType type) {
  for (int64_t run = 0; run != runs(); ++run) {
    Val column = columnOf(run);
    ArrayRef<Val> four = ArrayRef<Val>(values).slice(4 * run, 4);
    auto write = [&] {
      if (type == RowType::F32)
        return k.store4(Vals(four), k.at(row, column << 2));
      k.store2(k.packBf16(four[0], four[1]), k.packBf16(four[2], four[3]),
               k.at(row, column << 1));
    };
    if (isWhole(run))
      write();
    else
      k.when(column < width, write);
  }
}

Val BlockRow::inverseRoot(const Vals &values, double eps, Val sums) {
  Val sum = k.f32(0);
  for (Val value : values)
    sum = k.fma(value, value, sum);
  sum = k.warpSum(sum);
  Val thread = k.threadId();
  k.when((thread & 31).equals(k.i32(0)),
         [&] { k.store(sum, k.at(sums, (thread >> 5) << 2), 4); });
  k.barrier();
  Val total = k.loadF32(sums);
  for (int64_t i = 1; i != threads / 32; ++i)
    total = total + k.loadF32(k.at(sums, 4 * i));
  return k.reciprocalSqrt(
      k.fma(total, k.f32(1 / static_cast<double>(width)), k.f32(eps)));
}

SmallVector<Access> flow::cuda::accessOf(const SumNorm &norm) {
  int64_t branches = norm.hasParts ? 4 : norm.hasBranch;
  return SmallVector<Access>(1 + branches + norm.hasBranchWeight +
                                 norm.hasSumScale + norm.isNormed +
                                 norm.hasGate,
                             Access::ReadOnly);
}

SumNormOperands flow::cuda::operandsOf(KernelBuilder &k, const SumNorm &norm,
                                       ArrayRef<Val> parameters, Val index) {
  const Val *next = parameters.begin();
  SumNormOperands operands;
  Val offset = index * (4 * norm.norm.width);
  operands.stream = k.at(*next++, offset);
  if (norm.hasParts)
    for (int i : {0, 1}) {
      operands.parts[i] = k.at(*next++, offset);
      operands.partWeights[i] = *next++;
    }
  else if (norm.hasBranch)
    operands.branch = k.at(*next++, offset);
  if (norm.hasBranchWeight)
    operands.branchWeight = *next++;
  if (norm.hasSumScale)
    operands.sumScale = *next++;
  if (norm.isNormed)
    operands.weight = *next++;
  if (norm.hasGate)
    operands.gate = k.at(*next, offset);
  return operands;
}

/// `values`, normed and weighted. `sums` is shared memory as of `inverseRoot`.
static Vals normed(BlockRow &row, Vals values, const Vals &weight, double eps,
                   Val sums) {
  Val inverse = row.inverseRoot(values, eps, sums);
  for (auto [value, factor] : llvm::zip(values, weight))
    value = value * inverse * factor;
  return values;
}

SumAndNormed flow::cuda::sumAndNorm(KernelBuilder &k, BlockRow &row,
                                    const SumNorm &norm,
                                    const SumNormOperands &operands,
                                    Val shared) {
  auto sumsOf = [&](int64_t index) {
    return k.at(shared, index * BlockRow::bytesOfSum(row.threadCount()));
  };
  // Loads first, so that all of them are under way at the same time.
  Vals sum = row.load(operands.stream);
  Vals branch =
      norm.hasBranch && !norm.hasParts ? row.load(operands.branch) : Vals();
  Vals parts[2], partWeights[2];
  if (norm.hasParts)
    for (int i : {0, 1}) {
      parts[i] = row.load(operands.parts[i]);
      partWeights[i] = row.load(operands.partWeights[i]);
    }
  Vals weight = norm.isNormed ? row.load(operands.weight) : Vals();
  Vals branchWeight =
      norm.hasBranchWeight ? row.load(operands.branchWeight) : Vals();
  Vals gate = norm.hasGate ? row.load(operands.gate) : Vals();
  if (norm.hasParts) {
    branch = normed(row, parts[0], partWeights[0], norm.partEps, sumsOf(2));
    Vals other = normed(row, parts[1], partWeights[1], norm.partEps, sumsOf(3));
    for (auto [value, added] : llvm::zip(branch, other))
      value = value + added;
  }
  if (norm.hasBranchWeight)
    branch = normed(row, branch, branchWeight, norm.branchEps, sumsOf(0));
  if (norm.hasBranch)
    for (auto [value, added] : llvm::zip(sum, branch))
      value = added + value;
  if (norm.hasSumScale) {
    Val scale = k.loadF32(operands.sumScale);
    for (Val &value : sum)
      value = value * scale;
  }
  SumAndNormed result{sum, sum};
  if (norm.isNormed)
    result.normed = normed(row, sum, weight, norm.norm.eps, sumsOf(1));
  if (norm.hasGate)
    for (auto [value, by] : llvm::zip(result.normed, gate))
      value = k.gelu(by) * value;
  return result;
}

std::string flow::cuda::nameOf(const RowNorm &norm) {
  std::string heads =
      norm.heads == 1 ? "" : llvm::formatv("{0}x", norm.heads).str();
  return llvm::formatv("{0}{1}_{2}{3}_{4}", heads, norm.width, bitsOf(norm.eps),
                       norm.hasWeight ? "_weighted" : "",
                       norm.result == RowType::Bf16 ? "bf16" : "f32");
}

std::string flow::cuda::nameOf(const SumNorm &norm) {
  std::string name = norm.hasBranch ? "sum_" : "";
  name += norm.isNormed ? "norm_" + nameOf(norm.norm)
                        : std::to_string(norm.norm.width);
  if (norm.hasParts)
    name += "_parts" + bitsOf(norm.partEps);
  if (norm.hasBranchWeight)
    name += "_branch" + bitsOf(norm.branchEps);
  if (norm.hasSumScale)
    name += "_scaled";
  return norm.hasGate ? name + "_gated" : name;
}
