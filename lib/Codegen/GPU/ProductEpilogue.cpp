// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rounds, caps or gates the sums of a product, and stores them.

#include "ProductEpilogue.h"

#include "KernelFunction.h"
#include "WeightBlocks.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

std::string flow::cuda::nameOf(const Product &product) {
  std::string name = llvm::formatv("product_{0}x{1}{2}_", product.columns,
                                   product.depth, suffixOf(product.weights));
  switch (product.epilogue) {
  case Epilogue::F32:
    return name + "f32";
  case Epilogue::Bf16:
    return name + "bf16";
  case Epilogue::Gated:
    return name + "gated";
  case Epilogue::Softcap:
    break;
  }
  return name + "cap" + bitsOf(product.cap);
}

int64_t flow::cuda::resultColumns(const Product &product) {
  return product.epilogue == Epilogue::Gated ? product.columns / 2
                                             : product.columns;
}

static int64_t resultElementBytes(const Product &product) {
  return product.epilogue == Epilogue::Bf16 ||
                 product.epilogue == Epilogue::Gated
             ? 2
             : 4;
}

int64_t flow::cuda::resultRowBytes(const Product &product) {
  return resultElementBytes(product) * resultColumns(product);
}

/// A sum as it is stored, in f32.
static Val finished(KernelBuilder &k, const Product &product, Val sum) {
  if (product.epilogue != Epilogue::Softcap)
    return sum;
  return k.tanh(sum * (1 / product.cap)) * product.cap;
}

void flow::cuda::storePairs(KernelBuilder &k, const Product &product, Val row,
                            Val column, ArrayRef<ColumnPair> pairs,
                            bool checkColumns) {
  // Columns lie `offset` apart from `from`: one address serves all.
  auto store = [&](Val from, int64_t offset, Val first, Val second) {
    auto write = [&] {
      int64_t bytes = resultElementBytes(product);
      Val pointer = k.at(k.at(row, k.wide(from) * bytes), offset * bytes);
      if (resultElementBytes(product) == 2)
        k.store(k.packBf16(first, second), pointer, 4);
      else
        k.store2(finished(k, product, first), finished(k, product, second),
                 pointer);
    };
    if (checkColumns)
      k.when(from + offset < resultColumns(product), write);
    else
      write();
  };
  if (product.epilogue != Epilogue::Gated) {
    for (auto [i, pair] : llvm::enumerate(pairs))
      store(column, 8 * static_cast<int64_t>(i), pair.first, pair.second);
    return;
  }
  constexpr size_t kPairs = kGateColumns / 8;
  Val within = column & 7;
  Val first = ((column - within) >> 1) + within;
  for (size_t group = 0; group != pairs.size() / (2 * kPairs); ++group)
    for (size_t i = 0; i != kPairs; ++i) {
      const ColumnPair &gate = pairs[2 * kPairs * group + i];
      const ColumnPair &up = pairs[2 * kPairs * group + kPairs + i];
      store(first, static_cast<int64_t>(kGateColumns * group + 8 * i),
            k.gelu(gate.first) * up.first, k.gelu(gate.second) * up.second);
    }
}

void flow::cuda::storeSingle(KernelBuilder &k, const Product &product,
                             Val result, Val column, Val sum, Val up) {
  if (product.epilogue == Epilogue::Gated)
    sum = k.gelu(sum) * up;
  Val pointer = k.at(result, k.wide(column) * resultElementBytes(product));
  if (resultElementBytes(product) == 4)
    return k.store(finished(k, product, sum), pointer, 4);
  Val pair = k.packBf16(sum, k.f32(0));
  k.store(k.lowHalf(pair), pointer, 2);
}
