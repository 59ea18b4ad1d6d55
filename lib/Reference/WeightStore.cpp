// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads weights through the provider and builds those made of others.

#include "WeightStore.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

using namespace mlir;
using namespace flow;
using namespace flow::reference;

/// Rows that an interleaved weight takes from each source in turn.
constexpr int64_t kInterleaved = 16;

Operation *WeightStore::find(SymbolRefAttr symbol) {
  return SymbolTable::lookupSymbolIn(module, symbol);
}

llvm::Expected<TensorRef> WeightStore::load(SymbolRefAttr symbol) {
  if (TensorRef known = loaded.lookup(symbol))
    return known;
  Operation *op = find(symbol);
  auto make = [&]() -> llvm::Expected<Tensor> {
    if (auto weight = dyn_cast_or_null<WeightOp>(op))
      return read(weight);
    if (auto weight = dyn_cast_or_null<DerivedWeightOp>(op))
      return combine(weight);
    std::string name;
    llvm::raw_string_ostream(name) << symbol;
    return llvm::createStringError(name + " is not a weight of the module");
  };
  llvm::Expected<Tensor> made = make();
  if (!made)
    return made.takeError();
  TensorRef tensor = std::make_shared<const Tensor>(std::move(*made));
  loaded[symbol] = tensor;
  return tensor;
}

llvm::Expected<std::vector<float>> WeightStore::loadRow(SymbolRefAttr symbol,
                                                        int64_t row) {
  auto weight = dyn_cast_or_null<WeightOp>(find(symbol));
  if (weight && !loaded.contains(symbol)) {
    std::vector<float> values(weight.getTensorType().getShape().back());
    if (llvm::Error error = provider.loadRows(weight, row, 1, values))
      return std::move(error);
    return values;
  }
  llvm::Expected<TensorRef> whole = load(symbol);
  if (!whole)
    return whole.takeError();
  int64_t length = (*whole)->rowLength();
  auto begin = (*whole)->values.begin() + row * length;
  return std::vector<float>(begin, begin + length);
}

llvm::Expected<Tensor> WeightStore::read(WeightOp weight) {
  if (llvm::Error error = provider.loadRows(weight, 0, 0, {}))
    return std::move(error);
  llvm::ArrayRef<int64_t> shape = weight.getTensorType().getShape();
  Tensor tensor(shape);
  int64_t rows = shape.size() == 1 ? 1 : shape.front();
  if (llvm::Error error = provider.loadRows(weight, 0, rows, tensor.values))
    return std::move(error);
  if (weight.getUnitOffset())
    for (float &value : tensor.values)
      value = 1.0f + value;
  return tensor;
}

llvm::Expected<Tensor> WeightStore::combine(DerivedWeightOp weight) {
  std::vector<Tensor> sources;
  for (auto name : weight.getSources().getAsRange<FlatSymbolRefAttr>()) {
    auto source = SymbolTable::lookupNearestSymbolFrom<WeightOp>(weight, name);
    if (!source)
      return llvm::createStringError(
          llvm::formatv("@{0} of @{1} is not a weight beside it",
                        name.getValue(), weight.getSymName())
              .str());
    llvm::Expected<Tensor> tensor = read(source);
    if (!tensor)
      return tensor.takeError();
    sources.push_back(std::move(*tensor));
  }

  auto type = cast<RankedTensorType>(weight.getType());
  int64_t length = type.getShape().back();
  Tensor result(type.getShape());
  auto out = result.values.begin();
  // Concatenation takes all rows of each source in its turn.
  int64_t most = 0;
  for (const Tensor &source : sources)
    most = std::max(most, source.shape[0]);
  int64_t inTurn =
      weight.getCombine() == Combine::Interleave ? kInterleaved : most;
  for (int64_t first = 0; first < most; first += inTurn)
    for (const Tensor &source : sources) {
      int64_t rows = std::min(inTurn, source.shape[0] - first);
      out = std::copy_n(source.values.begin() + first * length, rows * length,
                        out);
    }
  return result;
}
