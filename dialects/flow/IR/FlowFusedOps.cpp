// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifiers, row interfaces and custom assembly of the fused stages.

#include "flow/IR/FlowOps.h"

#include "FlowVerify.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace flow;

using OptionalOperand = std::optional<OpAsmParser::UnresolvedOperand>;

//===----------------------------------------------------------------------===//
// Custom assembly: types that are written once
//===----------------------------------------------------------------------===//

/// Two results of one type.
static ParseResult parseSameType(OpAsmParser &parser, Type &lhs, Type &rhs) {
  if (parser.parseType(lhs))
    return failure();
  rhs = lhs;
  return success();
}

static void printSameType(OpAsmPrinter &printer, Operation *, Type lhs, Type) {
  printer << lhs;
}

/// The weight of the branch has the type of the weight of the sum.
static ParseResult parseNormWeightTypes(OpAsmParser &parser, Type &branch,
                                        Type &weight,
                                        const OptionalOperand &branchOperand) {
  if (parser.parseType(weight))
    return failure();
  if (branchOperand)
    branch = weight;
  return success();
}

static void printNormWeightTypes(OpAsmPrinter &printer, Operation *, Type,
                                 Type weight, Value) {
  printer << weight;
}

/// Both head norms have one type, written with a comma after it when there
/// are norms.
static ParseResult parseOptionalNormTypes(OpAsmParser &parser, Type &qNorm,
                                          Type &kNorm,
                                          const OptionalOperand &operand) {
  if (!operand)
    return success();
  if (parser.parseType(qNorm) || parser.parseComma())
    return failure();
  kNorm = qNorm;
  return success();
}

static void printOptionalNormTypes(OpAsmPrinter &printer, Operation *,
                                   Type qNorm, Type, Value operand) {
  if (operand)
    printer << qNorm << ",";
}

//===----------------------------------------------------------------------===//
// AddRmsNormOp
//===----------------------------------------------------------------------===//

LogicalResult AddRmsNormOp::verify() {
  auto type = cast<RankedTensorType>(getStream().getType());
  int64_t d = type.getRank() == 0 ? 0 : type.getShape().back();
  for (Value weight : {Value(getBranchWeight()), Value(getWeight())}) {
    if (!weight)
      continue;
    auto weightType = cast<RankedTensorType>(weight.getType());
    if (ShapedType::isDynamic(d) || weightType.getShape() != ArrayRef(d))
      return emitOpError("(C2): weights must have the shape of the last "
                         "dimension of ")
             << type << ", got " << weightType;
  }
  return verifyPositive(*this, "(C3)", "eps", getEps());
}

SmallVector<OpOperand *> AddRmsNormOp::getRowOperands() {
  return {&getStreamMutable(), &getBranchMutable()};
}

//===----------------------------------------------------------------------===//
// QkvRopeAppendOp
//===----------------------------------------------------------------------===//

LogicalResult QkvRopeAppendOp::verify() {
  RankedTensorType input = getInput().getType(), weight = getWeight().getType();
  RankedTensorType query = getQuery().getType(),
                   cache = getKeyCache().getType();
  int64_t headDim = cache.getDimSize(2), kvHeads = cache.getDimSize(1);
  bool isStatic = !query.isDynamicDim(1) && !query.isDynamicDim(2) &&
                  !cache.isDynamicDim(1) && !cache.isDynamicDim(2);
  if (!isStatic || query.getDimSize(2) != headDim || kvHeads == 0 ||
      query.getDimSize(1) % kvHeads != 0 ||
      weight.getDimSize(0) != (query.getDimSize(1) + 2 * kvHeads) * headDim ||
      weight.getDimSize(1) != input.getDimSize(1) ||
      query.getDimSize(0) != input.getDimSize(0))
    return emitOpError("(C1): weight must be [(H + 2 K) * D, d] for query [T, "
                       "H, D], caches [C, K, D] and input [T, d], got ")
           << weight << " for " << query << ", " << cache << " and " << input;
  if (!getQNorm() != !getKNorm())
    return emitOpError("(C3): there must be both head norms or none");
  for (Value norm : {Value(getQNorm()), Value(getKNorm())})
    if (norm &&
        cast<RankedTensorType>(norm.getType()).getShape() != ArrayRef(headDim))
      return emitOpError("(C3): head norms must have shape [")
             << headDim << "], got " << norm.getType();
  RankedTensorType angles = getAngles().getType();
  if (angles.getDimSize(0) != query.getDimSize(0) || headDim % 2 != 0 ||
      angles.getDimSize(1) != headDim / 2 || angles.getDimSize(2) != 2)
    return emitOpError("(C4): angles must be [T, ")
           << headDim / 2 << ", 2], got " << angles;
  if (failed(verifyLayouts(*this, "(C5)", input.getEncoding(), weight)))
    return failure();
  return verifyPositive(*this, "(C6)", "eps", getEps());
}

//===----------------------------------------------------------------------===//
// GatedMlpOp
//===----------------------------------------------------------------------===//

LogicalResult GatedMlpOp::verify() {
  RankedTensorType input = getInput().getType(), up = getGateUp().getType(),
                   down = getDown().getType(), result = getType();
  if (up.getDimSize(1) != input.getDimSize(1) ||
      up.getDimSize(0) != 2 * down.getDimSize(1) ||
      down.getDimSize(1) % kInterleaveRows != 0 ||
      result.getDimSize(1) != down.getDimSize(0) ||
      result.getDimSize(0) != input.getDimSize(0) || !up.hasStaticShape() ||
      !down.hasStaticShape())
    return emitOpError(
               "(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F "
               "a multiple of 16, got ")
           << input << " x " << up << ", " << down << " -> " << result;
  if (failed(verifyLayouts(*this, "(C2)", input.getEncoding(), up)))
    return failure();
  return verifyLayouts(
      *this, "(C2)", getHidden() ? Attribute(*getHidden()) : Attribute(), down);
}

SmallVector<OpOperand *> GatedMlpOp::getRowOperands() {
  return {&getInputMutable()};
}

//===----------------------------------------------------------------------===//
// QuantizeRowsOp
//===----------------------------------------------------------------------===//

LogicalResult QuantizeRowsOp::verify() {
  if (getType().getShape() != getInput().getType().getShape() ||
      !isa_and_nonnull<QuantizedRowsAttr>(getType().getEncoding()) ||
      getInput().getType().getEncoding())
    return emitOpError("(C1): the result must be the input's shape with an "
                       "encoding #flow.quantized_rows, got ")
           << getInput().getType() << " -> " << getType();
  return success();
}

SmallVector<OpOperand *> QuantizeRowsOp::getRowOperands() {
  return {&getInputMutable()};
}

#define GET_OP_CLASSES
#include "flow/IR/FlowOps.cpp.inc"
