// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The largest logits of rows, from the logits or from the head.

#include "Evaluator.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;
using namespace flow::reference;

using Result = llvm::Expected<EvaluatedValues>;

/// The best of `logits`, as many as the type of the results `values` says.
static Result bestOf(const Tensor &logits, Type values) {
  int64_t count = cast<RankedTensorType>(values).getDimSize(1);
  auto [best, columns] = topK(logits, count);
  return EvaluatedValues{
      {std::make_shared<const Tensor>(std::move(best))},
      {std::make_shared<const TokenTensor>(std::move(columns))}};
}

Result reference::evaluateSelection(Operation *op, const Frame &frame) {
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](TopKOp op) {
        return bestOf(frame.tensor(op.getInput()), op.getValues().getType());
      })
      .Case([&](LmHeadTopKOp op) {
        Type type = op.getValues().getType();
        std::optional<double> softcap;
        if (std::optional<llvm::APFloat> cap = op.getSoftcap())
          softcap = cap->convertToDouble();
        return bestOf(product(frame.tensor(op.getInput()), op.getTable(), frame,
                              softcap, elementOf(type)),
                      type);
      })
      .Default([](Operation *op) -> Result { return unknownOp(op); });
}
