// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifiers and row interfaces of the choice of candidates.

#include "FlowVerify.h"
#include "flow/IR/FlowOps.h"

#include <limits>

using namespace mlir;
using namespace flow;

/// True if `values`, `[T, k]`, can be the best of `count` columns of `rows`
/// rows each.
static bool isBestOf(RankedTensorType values, int64_t rows, int64_t count) {
  // A dynamic extent is a negative number.
  int64_t k = values.getDimSize(1);
  return values.getDimSize(0) == rows && k > 0 && k <= count &&
         count <= std::numeric_limits<int32_t>::max();
}

LogicalResult TopKOp::verify() {
  RankedTensorType input = getInput().getType(), values = getValues().getType();
  if (isBestOf(values, input.getDimSize(0), input.getDimSize(1)) &&
      values.getElementType() == input.getElementType())
    return success();
  return emitOpError("(C1): [T, N] must give [T, k] of the same element type "
                     "with 0 < k <= N < 2^31, got ")
         << input << " -> " << values;
}

SmallVector<OpOperand *> TopKOp::getRowOperands() {
  return {&getInputMutable()};
}

LogicalResult LmHeadTopKOp::verify() {
  RankedTensorType input = getInput().getType(), table = getTable().getType(),
                   values = getValues().getType();
  if (!table.hasStaticShape() || table.getDimSize(1) != input.getDimSize(1) ||
      !isBestOf(values, input.getDimSize(0), table.getDimSize(0)))
    return emitOpError("(C1): [T, d] x [V, d] must give [T, k] with 0 < k <= V "
                       "< 2^31, got ")
           << input << " x " << table << " -> " << values;
  if (failed(verifyLayouts(*this, "(C2)", input.getEncoding(), table)))
    return failure();
  if (std::optional<llvm::APFloat> softcap = getSoftcap())
    return verifyPositive(*this, "(C3)", "softcap", *softcap);
  return success();
}

SmallVector<OpOperand *> LmHeadTopKOp::getRowOperands() {
  return {&getInputMutable()};
}
