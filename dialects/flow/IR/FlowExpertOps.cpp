// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifiers, row interfaces and custom assembly of the mixture of experts.

#include "FlowVerify.h"
#include "flow/IR/FlowOps.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace flow;

//===----------------------------------------------------------------------===//
// Shared checks
//===----------------------------------------------------------------------===//

/// `[T, k]` of both: some of `count` experts for each of `rows` rows.
static LogicalResult verifyChoice(Operation *op, int64_t rows, int64_t count,
                                  RankedTensorType experts,
                                  RankedTensorType shares) {
  // A dynamic extent is a negative number.
  int64_t chosen = experts.getDimSize(1);
  if (experts.getShape() == shares.getShape() &&
      experts.getDimSize(0) == rows && chosen > 0 && chosen <= count)
    return success();
  return op->emitOpError("(C1): experts and shares must be [T, k] for the T of "
                         "the rows and 0 < k <= ")
         << count << ", got " << experts << " and " << shares;
}

static LogicalResult verifyScale(Operation *op, int64_t experts,
                                 RankedTensorType scale) {
  if (experts > 0 && scale.getShape() == ArrayRef(experts))
    return success();
  return op->emitOpError("(C1): there must be a scale for each expert, got ")
         << scale << " for " << experts << " experts";
}

/// The number of experts whose second products are in `down`, `[E * d, F]`, if
/// `first`, `[E * F * factor, c]`, holds as many first ones.
static std::optional<int64_t> expertsOf(RankedTensorType input,
                                        RankedTensorType first, int64_t factor,
                                        RankedTensorType down,
                                        RankedTensorType result) {
  // A dynamic extent is a negative number.
  int64_t d = result.getDimSize(1), width = down.getDimSize(1);
  if (!first.hasStaticShape() || !down.hasStaticShape() || d <= 0 ||
      width <= 0 || down.getDimSize(0) <= 0 || down.getDimSize(0) % d != 0 ||
      first.getDimSize(1) != input.getDimSize(1) || first.getDimSize(1) <= 0 ||
      result.getDimSize(0) != input.getDimSize(0))
    return std::nullopt;
  int64_t experts = down.getDimSize(0) / d;
  std::optional<int64_t> rows = llvm::checkedMul(experts, width);
  rows = rows ? llvm::checkedMul(*rows, factor) : std::nullopt;
  return rows == first.getDimSize(0) ? std::optional(experts) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// RouteExpertsOp
//===----------------------------------------------------------------------===//

LogicalResult RouteExpertsOp::verify() {
  RankedTensorType logits = getLogits().getType();
  int64_t experts = logits.getDimSize(1);
  if (failed(verifyScale(*this, experts, getExpertScale().getType())) ||
      failed(verifyChoice(*this, logits.getDimSize(0), experts,
                          getExperts().getType(), getShares().getType())))
    return failure();
  if (getShares().getType().getElementType() != logits.getElementType())
    return emitOpError("(C1): shares must have the element type of the logits, "
                       "got ")
           << getShares().getType() << " of " << logits;
  return verifyPositive(*this, "(C2)", "factor", getFactor());
}

SmallVector<OpOperand *> RouteExpertsOp::getRowOperands() {
  return {&getLogitsMutable()};
}

//===----------------------------------------------------------------------===//
// MoeOp
//===----------------------------------------------------------------------===//

LogicalResult MoeOp::verify() {
  RankedTensorType input = getInput().getType(), gate = getGate().getType(),
                   down = getDown().getType();
  std::optional<int64_t> experts = expertsOf(input, gate, 1, down, getType());
  if (!experts || getUp().getType() != gate)
    return emitOpError(
               "(C2): [T, c] x [E * F, c], [E * d, F] must give [T, d], "
               "got ")
           << input << " x " << gate << ", " << down << " -> " << getType();
  return verifyChoice(*this, input.getDimSize(0), *experts,
                      getExperts().getType(), getShares().getType());
}

SmallVector<OpOperand *> MoeOp::getRowOperands() {
  return {&getInputMutable(), &getExpertsMutable(), &getSharesMutable()};
}

//===----------------------------------------------------------------------===//
// RouterOp
//===----------------------------------------------------------------------===//

LogicalResult RouterOp::verify() {
  RankedTensorType input = getInput().getType(), weight = getWeight().getType();
  if (!weight.hasStaticShape() || weight.getDimSize(1) != input.getDimSize(1))
    return emitOpError("(C1): [T, c] x [E, c] must be static but for T, got ")
           << input << " x " << weight;
  int64_t experts = weight.getDimSize(0);
  if (failed(verifyScale(*this, experts, getExpertScale().getType())) ||
      failed(verifyChoice(*this, input.getDimSize(0), experts,
                          getExperts().getType(), getShares().getType())) ||
      failed(verifyPositive(*this, "(C2)", "factor", getFactor())))
    return failure();
  return verifyLayouts(*this, "(C3)", input.getEncoding(), weight);
}

SmallVector<OpOperand *> RouterOp::getRowOperands() {
  return {&getInputMutable()};
}

//===----------------------------------------------------------------------===//
// GroupedMlpOp
//===----------------------------------------------------------------------===//

LogicalResult GroupedMlpOp::verify() {
  RankedTensorType input = getInput().getType(), up = getGateUp().getType(),
                   down = getDown().getType();
  std::optional<int64_t> experts = expertsOf(input, up, 2, down, getType());
  if (!experts || down.getDimSize(1) % kInterleaveRows != 0)
    return emitOpError("(C2): [T, c] x [E * 2 F, c], [E * d, F] must give [T, "
                       "d] with F a multiple of 16, got ")
           << input << " x " << up << ", " << down << " -> " << getType();
  if (failed(verifyChoice(*this, input.getDimSize(0), *experts,
                          getExperts().getType(), getShares().getType())) ||
      failed(verifyLayouts(*this, "(C3)", input.getEncoding(), up)))
    return failure();
  return verifyLayouts(*this, "(C3)", getHiddenAttr(), down);
}

SmallVector<OpOperand *> GroupedMlpOp::getRowOperands() {
  return {&getInputMutable(), &getExpertsMutable(), &getSharesMutable()};
}
