// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowers norms and sums of rows that no other kernel makes.

#include "StepLowering.h"

using namespace mlir;
using namespace flow;

FailureOr<cuda::RowNorm> StepLowering::normOf(Operation *op,
                                              RankedTensorType result,
                                              const APFloat &eps,
                                              bool hasWeight) {
  cuda::RowNorm norm;
  norm.width = result.getShape().back();
  norm.eps = eps.convertToDouble();
  norm.hasWeight = hasWeight;
  norm.result = isBf16(result) ? cuda::RowType::Bf16 : cuda::RowType::F32;
  norm.heads = result.getRank() == 3 ? result.getDimSize(1) : 1;
  if (result.getRank() < 2 || result.getRank() > 3 || norm.width % 4 != 0 ||
      !result.getElementType().isF32())
    return op->emitOpError("norms ") << result << ", which no kernel does";
  return norm;
}

LogicalResult StepLowering::lower(RmsNormOp op) {
  if (isFused(op))
    return success();
  RankedTensorType type = typeOf(op.getResult());
  FailureOr<cuda::RowNorm> norm =
      normOf(op, type, op.getEps(), bool(op.getWeight()));
  if (failed(norm))
    return failure();
  Arguments arguments;
  arguments.inputs = {now(op.getInput())};
  if (op.getWeight())
    arguments.inputs.push_back(now(op.getWeight()));
  lowered[op] = launch(op.getLoc(), buildRowNorm(b, target, *norm), arguments,
                       rowsLike(op.getInput(), norm->heads * norm->width,
                                isBf16(type) ? bf16() : f32()))[0];
  return success();
}

FailureOr<StepLowering::SumOfRow> StepLowering::sumOf(AddRmsNormOp op) {
  FailureOr<cuda::RowNorm> norm =
      normOf(op, typeOf(op.getNormed()), op.getEps(), true);
  if (failed(norm))
    return failure();
  SumOfRow row;
  row.norm.norm = *norm;
  row.sum = op.getSum();
  row.inputs = {now(op.getStream())};
  if (auto parts = fusedParts(op.getBranch())) {
    row.norm.hasParts = true;
    row.norm.partEps = parts->front().getEps().convertToDouble();
    for (RmsNormOp part : *parts)
      row.inputs.append({now(part.getInput()), now(part.getWeight())});
  } else if (RmsNormOp branch = fusedBranch(op.getBranch())) {
    row.norm.hasBranchWeight = true;
    row.norm.branchEps = branch.getEps().convertToDouble();
    row.inputs.append({now(branch.getInput()), now(branch.getWeight())});
  } else {
    row.inputs.push_back(now(op.getBranch()));
  }
  if (op.getBranchWeight()) {
    row.norm.hasBranchWeight = true;
    row.norm.branchEps = norm->eps;
    row.inputs.push_back(now(op.getBranchWeight()));
  }
  row.norm.hasSumScale = bool(op.getSumScale());
  if (op.getSumScale())
    row.inputs.push_back(now(op.getSumScale()));
  row.inputs.push_back(now(op.getWeight()));
  return row;
}

FailureOr<StepLowering::SumOfRow> StepLowering::sumOf(RmsNormOp op) {
  FailureOr<cuda::RowNorm> norm =
      normOf(op, typeOf(op.getResult()), op.getEps(), true);
  if (failed(norm))
    return failure();
  SumOfRow row;
  row.norm.norm = *norm;
  row.norm.hasBranch = false;
  row.inputs = {now(op.getInput()), now(op.getWeight())};
  return row;
}

StepLowering::SumOfRow StepLowering::sumOf(arith::AddFOp op) {
  SumOfRow row;
  row.norm.norm.width = typeOf(op.getResult()).getDimSize(1);
  row.norm.isNormed = false;
  row.sum = op.getResult();
  Value added = branchOf(op);
  row.inputs = {now(added == op.getRhs() ? op.getLhs() : op.getRhs())};
  if (RmsNormOp branch = fusedBranch(added)) {
    row.norm.hasBranchWeight = true;
    row.norm.branchEps = branch.getEps().convertToDouble();
    row.inputs.append({now(branch.getInput()), now(branch.getWeight())});
  } else {
    row.inputs.push_back(now(added));
  }
  return row;
}

LogicalResult StepLowering::lower(AddRmsNormOp op) {
  if (fusedSum(op.getNormed()))
    return success();
  FailureOr<SumOfRow> sum = sumOf(op);
  if (failed(sum))
    return failure();
  Arguments arguments;
  arguments.inputs = std::move(sum->inputs);
  RankedTensorType type = typeOf(op.getNormed());
  Type results[] = {op.getSum().getType(),
                    rowsLike(op.getStream(), sum->norm.norm.width,
                             isBf16(type) ? bf16() : f32())};
  ResultRange launched = launch(op.getLoc(), buildSumNorm(b, target, sum->norm),
                                arguments, results);
  lowered[op.getSum()] = launched[0];
  lowered[op.getNormed()] = launched[1];
  return success();
}

LogicalResult StepLowering::lower(arith::AddFOp op) {
  if (isMadeByProduct(op) || fusedParts(op.getResult()))
    return success();
  FailureOr<Value> sum = isa<RankedTensorType>(op.getType())
                             ? elements(op, cuda::ElementOp::Add,
                                        {now(op.getLhs()), now(op.getRhs())})
                             : op.emitOpError("has no kernel");
  lowered[op] = sum.value_or(Value());
  return sum;
}
