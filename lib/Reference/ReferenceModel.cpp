// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Cuts prompts in pieces and hands their rows of logits on.

#include "flow/Reference/ReferenceModel.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace flow;

/// Rows of logits held at a time: 64 MiB for the largest vocabulary.
constexpr size_t kPieceRows = 64;

llvm::Expected<std::unique_ptr<ReferenceModel>>
ReferenceModel::create(mlir::ModuleOp module, WeightProvider &weights,
                       int64_t capacity) {
  auto prefill = module.lookupSymbol<mlir::func::FuncOp>("prefill");
  if (!prefill)
    return llvm::createStringError("the module has no function @prefill");
  mlir::FunctionType type = prefill.getFunctionType();
  auto rows = type.getNumResults() == 1
                  ? llvm::dyn_cast<mlir::RankedTensorType>(type.getResult(0))
                  : mlir::RankedTensorType();
  if (!rows || rows.getRank() != 2 || !rows.isDynamicDim(0)) {
    std::string found;
    llvm::raw_string_ostream(found) << type;
    return llvm::createStringError("expected @prefill to return the logits of "
                                   "all rows, [?, vocab], found " +
                                   found);
  }
  return std::unique_ptr<ReferenceModel>(
      new ReferenceModel(module, weights, capacity));
}

llvm::Error ReferenceModel::logits(llvm::ArrayRef<int32_t> tokens, Sink sink) {
  while (!tokens.empty()) {
    llvm::ArrayRef<int32_t> piece = tokens.take_front(kPieceRows);
    int64_t first = session.getPosition();
    llvm::Expected<TensorRef> rows = session.prefill(piece);
    if (!rows)
      return rows.takeError();
    if ((*rows)->shape[0] != int64_t(piece.size()))
      return llvm::createStringError(
          "@prefill returned " + llvm::Twine((*rows)->shape[0]) + " rows for " +
          llvm::Twine(piece.size()) + " tokens");
    size_t length = (*rows)->rowLength();
    llvm::ArrayRef<float> values = (*rows)->values;
    for (size_t row = 0; row < piece.size(); ++row)
      sink(first + row, values.slice(row * length, length));
    tokens = tokens.drop_front(piece.size());
  }
  return llvm::Error::success();
}
