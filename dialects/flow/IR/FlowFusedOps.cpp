// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifiers, row interfaces and custom assembly of the fused stages.

#include "flow/IR/FlowOps.h"

#include "FlowVerify.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace flow;

using OptionalOperand = std::optional<OpAsmParser::UnresolvedOperand>;

//===----------------------------------------------------------------------===//
// Custom assembly: types that are written once, and masks
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

/// The experts of a row as i32 and their shares as what the rows are made of,
/// in one shape.
static ParseResult parseExpertsAndShares(OpAsmParser &parser, Type &experts,
                                         Type &shares, Type rows) {
  RankedTensorType type;
  if (parser.parseType(type))
    return failure();
  experts = type;
  shares = RankedTensorType::get(type.getShape(), getElementTypeOrSelf(rows));
  return success();
}

static void printExpertsAndShares(OpAsmPrinter &printer, Operation *,
                                  Type experts, Type, Type) {
  printer << experts;
}

/// `[4, rows * 2 per 3, 1]`.
static ParseResult parseGrid(OpAsmParser &parser, DenseI64ArrayAttr &grid) {
  SmallVector<int64_t, 6> numbers;
  auto parseSize = [&]() -> ParseResult {
    int64_t times = 1, per = 0;
    if (failed(parser.parseOptionalKeyword("rows"))) {
      if (parser.parseInteger(times))
        return failure();
    } else {
      per = 1;
      if (succeeded(parser.parseOptionalStar()) && parser.parseInteger(times))
        return failure();
      if (succeeded(parser.parseOptionalKeyword("per")) &&
          parser.parseInteger(per))
        return failure();
    }
    numbers.append({times, per});
    return success();
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square, parseSize))
    return failure();
  grid = parser.getBuilder().getDenseI64ArrayAttr(numbers);
  return success();
}

static void printGrid(OpAsmPrinter &printer, LaunchOp, DenseI64ArrayAttr grid) {
  printer << '[';
  for (int64_t i = 0, size = grid.size() / 2; i != size; ++i) {
    int64_t times = grid[2 * i], per = grid[2 * i + 1];
    printer << (i == 0 ? "" : ", ");
    if (per == 0) {
      printer << times;
      continue;
    }
    printer << "rows";
    if (times != 1)
      printer << " * " << times;
    if (per != 1)
      printer << " per " << per;
  }
  printer << ']';
}

/// Parses the mask, and names a tensor in its place for what it is.
static ParseResult parseMask(OpAsmParser &parser, MaskAttr &mask) {
  SMLoc where = parser.getCurrentLocation();
  OpAsmParser::UnresolvedOperand operand;
  OptionalParseResult isOperand = parser.parseOptionalOperand(operand);
  if (isOperand.has_value())
    return parser.emitError(where)
           << "a mask is a predicate on positions, as <causal> or <full>: a "
              "mask or bias tensor has no form";
  return parser.parseCustomAttributeWithFallback(mask);
}

static void printMask(OpAsmPrinter &printer, AttentionOp, MaskAttr mask) {
  printer.printStrippedAttrOrType(mask);
}

/// Rows that are handed on as they are have their type written once.
static ParseResult parseLaidOutRows(OpAsmParser &parser, Type &laidOut,
                                    Type rows) {
  laidOut = rows;
  return succeeded(parser.parseOptionalArrow()) ? parser.parseType(laidOut)
                                                : success();
}

static void printLaidOutRows(OpAsmPrinter &printer, Type laidOut, Type rows) {
  if (laidOut != rows)
    printer << " -> " << laidOut;
}

static ParseResult parseNormTypes(OpAsmParser &parser, Type &input,
                                  Type &weight, Type &result,
                                  const OptionalOperand &weightOperand) {
  if (parser.parseType(input))
    return failure();
  if (weightOperand && (parser.parseComma() || parser.parseType(weight)))
    return failure();
  return parseLaidOutRows(parser, result, input);
}

static void printNormTypes(OpAsmPrinter &printer, Operation *, Type input,
                           Type weight, Type result, Value weightOperand) {
  printer << input;
  if (weightOperand)
    printer << ", " << weight;
  printLaidOutRows(printer, result, input);
}

/// The weight of the branch has the type of the weight of the sum, and the
/// scale of the sum is one element of it.
static ParseResult parseAddNormTypes(OpAsmParser &parser, Type &branch,
                                     Type &sumScale, Type &weight, Type &normed,
                                     const OptionalOperand &branchOperand,
                                     const OptionalOperand &scaleOperand,
                                     Type stream) {
  RankedTensorType type;
  if (parser.parseType(type))
    return failure();
  weight = type;
  if (branchOperand)
    branch = type;
  if (scaleOperand)
    sumScale = RankedTensorType::get({1}, type.getElementType());
  return parseLaidOutRows(parser, normed, stream);
}

static void printAddNormTypes(OpAsmPrinter &printer, Operation *, Type, Type,
                              Type weight, Type normed, Value, Value,
                              Type stream) {
  printer << weight;
  printLaidOutRows(printer, normed, stream);
}

/// Both head norms have one type, written before that of the angles when there
/// are norms.
static ParseResult parseNormAndAngleTypes(OpAsmParser &parser, Type &qNorm,
                                          Type &kNorm, Type &angles,
                                          const OptionalOperand &norm) {
  if (norm && (parser.parseType(qNorm) || parser.parseComma()))
    return failure();
  kNorm = qNorm;
  return parser.parseType(angles);
}

static void printNormAndAngleTypes(OpAsmPrinter &printer, Operation *,
                                   Type qNorm, Type, Type angles, Value norm) {
  if (norm)
    printer << qNorm << ", ";
  printer << angles;
}

//===----------------------------------------------------------------------===//
// AddRmsNormOp
//===----------------------------------------------------------------------===//

LogicalResult AddRmsNormOp::verify() {
  auto type = cast<RankedTensorType>(getStream().getType());
  // A dynamic extent is a negative number.
  if (type.getRank() == 0 || type.getShape().back() <= 0)
    return emitOpError("(C1): the last dimension must be static and positive, "
                       "got ")
           << type;
  int64_t d = type.getShape().back();
  if (getWeight().getType().getShape() != ArrayRef(d))
    return emitOpError("(C2): weight must have shape [")
           << d << "], got " << getWeight().getType();
  if (Value branchWeight = getBranchWeight();
      branchWeight && branchWeight.getType() != getWeight().getType())
    return emitOpError("(C2): branch_weight must have the type of weight, ")
           << getWeight().getType() << ", got " << branchWeight.getType();
  if (Value scale = getSumScale();
      scale && scale.getType() != getWeight().getType().clone({1}))
    return emitOpError("(C2): sum_scale must be [1] of the weight's element "
                       "type, got ")
           << scale.getType();
  if (failed(verifyLaidOutRows(*this, "(C1)", type, getNormed().getType())))
    return failure();
  return verifyPositive(*this, "(C3)", "eps", getEps());
}

SmallVector<OpOperand *> AddRmsNormOp::getRowOperands() {
  if (cast<RankedTensorType>(getSum().getType()).getRank() < 2)
    return {};
  return {&getStreamMutable(), &getBranchMutable()};
}

//===----------------------------------------------------------------------===//
// QkvRopeAppendOp
//===----------------------------------------------------------------------===//

LogicalResult QkvRopeAppendOp::verify() {
  RankedTensorType input = getInput().getType(), weight = getWeight().getType();
  RankedTensorType query = getQuery().getType(),
                   cache = getKeyCache().getType();
  if (failed(verifyPlace(*this, "(C7)", "start and count",
                         {getStart(), getCount()}, getSequences())) ||
      failed(verifySingleRows(*this, "(C8)", getSingleRows(), getSequences())))
    return failure();
  RankedTensorType slot = getSlotType(cache, getSequences());
  int64_t heads = query.getDimSize(1), kvHeads = slot ? slot.getDimSize(1) : 0;
  int64_t headDim = slot ? slot.getDimSize(2) : 0;
  // A dynamic extent is a negative number.
  bool arePositive = heads > 0 && kvHeads > 0 && headDim > 0;
  std::optional<int64_t> allHeads =
      arePositive
          ? llvm::checkedMulAdd<int64_t>(getKEqV() ? 1 : 2, kvHeads, heads)
          : std::nullopt;
  std::optional<int64_t> columns =
      allHeads ? llvm::checkedMul(*allHeads, headDim) : std::nullopt;
  if (!columns || query.getDimSize(2) != headDim || heads % kvHeads != 0 ||
      !weight.hasStaticShape() || weight.getDimSize(0) != *columns ||
      weight.getDimSize(1) != input.getDimSize(1) ||
      query.getDimSize(0) != input.getDimSize(0))
    return emitOpError("(C1): weight must be [(H + ")
           << (getKEqV() ? "K" : "2 K")
           << ") * D, d] for query [T, H, D], caches "
           << (getSequences() ? "[slots, C, K, D]" : "[C, K, D]")
           << " and input [T, d], got " << weight << " for " << query << ", "
           << cache << " and " << input;
  if (!getQNorm() != !getKNorm())
    return emitOpError("(C3): there must be both head norms or none");
  if (getQNorm()) {
    Type qNorm = getQNorm().getType(), kNorm = getKNorm().getType();
    if (cast<RankedTensorType>(qNorm).getShape() != ArrayRef(headDim) ||
        kNorm != qNorm)
      return emitOpError("(C3): head norms must have one type of shape [")
             << headDim << "], got " << qNorm << " and " << kNorm;
  }
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
  int64_t width = down.getDimSize(1);
  // A dynamic extent is a negative number.
  if (!up.hasStaticShape() || !down.hasStaticShape() || width <= 0 ||
      width % kInterleaveRows != 0 ||
      llvm::checkedMul<int64_t>(2, width) != up.getDimSize(0) ||
      up.getDimSize(1) != input.getDimSize(1) ||
      result.getDimSize(1) != down.getDimSize(0) ||
      result.getDimSize(0) != input.getDimSize(0))
    return emitOpError(
               "(C1): [T, d] x [2 F, d], [e, F] must give [T, e] with F "
               "a positive multiple of 16, got ")
           << input << " x " << up << ", " << down << " -> " << result;
  if (failed(verifyLayouts(*this, "(C2)", input.getEncoding(), up)))
    return failure();
  return verifyLayouts(*this, "(C2)", getHiddenAttr(), down);
}

SmallVector<OpOperand *> GatedMlpOp::getRowOperands() {
  return {&getInputMutable()};
}

//===----------------------------------------------------------------------===//
// PerLayerGateOp
//===----------------------------------------------------------------------===//

LogicalResult PerLayerGateOp::verify() {
  RankedTensorType input = getInput().getType(), gate = getGate().getType(),
                   embedded = getEmbedded().getType(),
                   output = getOutput().getType();
  if (!gate.hasStaticShape() || !output.hasStaticShape() ||
      gate.getDimSize(1) != input.getDimSize(1) ||
      embedded.getShape() !=
          ArrayRef({input.getDimSize(0), gate.getDimSize(0)}) ||
      output.getDimSize(1) != gate.getDimSize(0) ||
      getType().getShape() !=
          ArrayRef({input.getDimSize(0), output.getDimSize(0)}))
    return emitOpError(
               "(C1): [T, d] x [P, d], [T, P], [e, P] must give [T, e], "
               "got ")
           << input << " x " << gate << ", " << embedded << ", " << output
           << " -> " << getType();
  if (failed(verifyLayouts(*this, "(C2)", input.getEncoding(), gate)))
    return failure();
  return verifyLayouts(*this, "(C2)", getHiddenAttr(), output);
}

SmallVector<OpOperand *> PerLayerGateOp::getRowOperands() {
  return {&getInputMutable(), &getEmbeddedMutable()};
}

//===----------------------------------------------------------------------===//
// QuantizeRowsOp
//===----------------------------------------------------------------------===//

LogicalResult QuantizeRowsOp::verify() {
  if (getType().getShape() != getInput().getType().getShape() ||
      !isa_and_nonnull<QuantizedRowsAttr, Bf16RowsAttr>(
          getType().getEncoding()))
    return emitOpError("(C1): the result must be the input's shape with an "
                       "encoding #flow.quantized_rows or #flow.bf16_rows, "
                       "got ")
           << getInput().getType() << " -> " << getType();
  return success();
}

SmallVector<OpOperand *> QuantizeRowsOp::getRowOperands() {
  return {&getInputMutable()};
}

#define GET_OP_CLASSES
#include "flow/IR/FlowOps.cpp.inc"
