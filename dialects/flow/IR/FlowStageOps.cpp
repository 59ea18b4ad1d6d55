// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifiers, row interfaces and custom assembly of the stage ops.

#include "flow/IR/FlowOps.h"

#include "FlowVerify.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;

#include "flow/IR/FlowInterfaces.cpp.inc"

//===----------------------------------------------------------------------===//
// Shared checks
//===----------------------------------------------------------------------===//

LogicalResult flow::verifyPositive(Operation *op, StringRef constraint,
                                   StringRef name, llvm::APFloat value) {
  if (value.isFinite() && !value.isZero() && !value.isNegative())
    return success();
  return op->emitOpError() << constraint << ": " << name
                           << " must be finite and positive, got "
                           << value.convertToDouble();
}

LogicalResult flow::verifyPlace(Operation *op, StringRef constraint,
                                StringRef names, ArrayRef<Value> scalars,
                                Value sequences) {
  size_t given = llvm::count_if(scalars, [](Value v) { return bool(v); });
  if (given == (sequences ? 0 : scalars.size()))
    return success();
  return op->emitOpError() << constraint << ": there must be either " << names
                           << " or sequences";
}

LogicalResult flow::verifySingleRows(Operation *op, StringRef constraint,
                                     bool singleRows, Value sequences) {
  if (!singleRows || sequences)
    return success();
  return op->emitOpError() << constraint << ": single_rows needs sequences";
}

RankedTensorType flow::getSlotType(RankedTensorType cache, Value sequences) {
  if (cache.getRank() != (sequences ? 4 : 3))
    return {};
  return cache.clone(cache.getShape().take_back(3));
}

LogicalResult flow::verifyLayouts(Operation *op, StringRef constraint,
                                  Attribute rows, RankedTensorType weight) {
  auto panels = dyn_cast_or_null<PanelsAttr>(weight.getEncoding());
  auto kind = panels ? panels.getKind() : PanelKind::F32;
  bool isBlocks = isa_and_nonnull<WeightBlocksAttr>(weight.getEncoding());
  bool meet = kind == PanelKind::F32 && !isBlocks;
  if (auto quantized = dyn_cast_or_null<QuantizedRowsAttr>(rows))
    meet =
        kind == PanelKind::I8 && panels.getBlock() % quantized.getBlock() == 0;
  else if (rows)
    meet = kind == PanelKind::BF16 || isBlocks;
  if (meet)
    return success();
  auto diagnostic =
      op->emitOpError()
      << constraint
      << ": rows without encoding meet f32 panels, bf16 rows "
         "bf16 panels or weight blocks, quantised rows i8 panels of the same "
         "block or twice it, got rows ";
  if (rows)
    diagnostic << rows;
  else
    diagnostic << "without encoding";
  return diagnostic << " and " << weight;
}

LogicalResult flow::verifyLaidOutRows(Operation *op, StringRef constraint,
                                      Type rows, Type result) {
  auto plain = cast<RankedTensorType>(rows);
  auto laidOut = cast<RankedTensorType>(result);
  bool isLaidOut = laidOut.getEncoding() && plain.getElementType().isF32();
  if (result == rows ||
      (isLaidOut &&
       RankedTensorType::get(plain.getShape(), plain.getElementType(),
                             laidOut.getEncoding()) == laidOut))
    return success();
  return op->emitOpError()
         << constraint << ": the norm must have the type of its rows, or of "
         << "f32 an encoding more, got " << rows << " -> " << result;
}

LogicalResult flow::verifyProduct(Operation *op, StringRef constraint,
                                  RankedTensorType input,
                                  RankedTensorType weight,
                                  RankedTensorType result) {
  if (input.getDimSize(1) == weight.getDimSize(1) &&
      result.getDimSize(1) == weight.getDimSize(0) &&
      input.getDimSize(0) == result.getDimSize(0) && weight.hasStaticShape())
    return success();
  return op->emitOpError() << constraint
                           << ": [T, K] x [N, K] must give [T, N], got "
                           << input << " x " << weight << " -> " << result;
}

//===----------------------------------------------------------------------===//
// EmbedOp, RopeAnglesOp
//===----------------------------------------------------------------------===//

LogicalResult EmbedOp::verify() {
  RankedTensorType tokens = getTokens().getType(), table = getTable().getType(),
                   result = getResult().getType();
  if (result.getDimSize(0) != tokens.getDimSize(0) ||
      result.getDimSize(1) != table.getDimSize(1))
    return emitOpError("(C1): the result must be [rows of tokens, columns of "
                       "table], got ")
           << result << " from " << tokens << " and " << table;
  return verifyPositive(*this, "(C2)", "scale", getScale());
}

LogicalResult RopeAnglesOp::verify() {
  return verifyPlace(*this, "(C3)", "start", {getStart()}, getSequences());
}

LogicalResult RopeAnglesOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto table = dyn_cast_or_null<RopeTableOp>(
      tables.lookupNearestSymbolFrom(*this, getTableAttr()));
  if (!table)
    return emitOpError("(C1): ")
           << getTableAttr() << " is not a flow.rope_table of this module";
  RankedTensorType type = getResult().getType();
  int64_t half = table.getHeadDim() / 2;
  if (type.getDimSize(1) != half || type.getDimSize(2) != 2)
    return emitOpError("(C2): the type must be [T, ")
           << half << ", 2], got " << type;
  return success();
}

//===----------------------------------------------------------------------===//
// RmsNormOp
//===----------------------------------------------------------------------===//

LogicalResult RmsNormOp::verify() {
  auto inputType = cast<RankedTensorType>(getInput().getType());
  if (inputType.getRank() == 0 ||
      inputType.isDynamicDim(inputType.getRank() - 1) ||
      inputType.getShape().back() == 0)
    return emitOpError("(C1): the last dimension of input must be static and "
                       "positive, got ")
           << inputType;
  int64_t d = inputType.getShape().back();
  if (Value weight = getWeight()) {
    auto weightType = cast<RankedTensorType>(weight.getType());
    if (weightType.getShape() != ArrayRef(d))
      return emitOpError("(C3): weight must have shape [")
             << d << "], got " << weightType;
  }
  if (failed(verifyLaidOutRows(*this, "(C2)", inputType, getType())))
    return failure();
  return verifyPositive(*this, "(C4)", "eps", getEps());
}

SmallVector<OpOperand *> RmsNormOp::getRowOperands() {
  if (cast<RankedTensorType>(getType()).getRank() < 2)
    return {};
  return {&getInputMutable()};
}

//===----------------------------------------------------------------------===//
// ScaleOp
//===----------------------------------------------------------------------===//

LogicalResult ScaleOp::verify() {
  if (getFactor().getType().getShape() != ArrayRef<int64_t>(1))
    return emitOpError("(C2): factor must have shape [1], got ")
           << getFactor().getType();
  return success();
}

SmallVector<OpOperand *> ScaleOp::getRowOperands() {
  if (cast<RankedTensorType>(getType()).getRank() < 2)
    return {};
  return {&getInputMutable()};
}

//===----------------------------------------------------------------------===//
// LinearOp, LmHeadOp, GegluOp
//===----------------------------------------------------------------------===//

LogicalResult LinearOp::verify() {
  RankedTensorType input = getInput().getType(), weight = getWeight().getType();
  if (failed(verifyProduct(*this, "(C1)", input, weight, getType())))
    return failure();
  return verifyLayouts(*this, "(C2)", input.getEncoding(), weight);
}

SmallVector<OpOperand *> LinearOp::getRowOperands() {
  return {&getInputMutable()};
}

LogicalResult LmHeadOp::verify() {
  RankedTensorType input = getInput().getType(), table = getTable().getType();
  if (failed(verifyProduct(*this, "(C1)", input, table, getType())) ||
      failed(verifyLayouts(*this, "(C2)", input.getEncoding(), table)))
    return failure();
  if (std::optional<llvm::APFloat> softcap = getSoftcap())
    return verifyPositive(*this, "(C3)", "softcap", *softcap);
  return success();
}

SmallVector<OpOperand *> LmHeadOp::getRowOperands() {
  return {&getInputMutable()};
}

SmallVector<OpOperand *> GegluOp::getRowOperands() {
  return {&getGateMutable(), &getUpMutable()};
}

//===----------------------------------------------------------------------===//
// RopeOp
//===----------------------------------------------------------------------===//

LogicalResult RopeOp::verify() {
  RankedTensorType input = getInput().getType(), angles = getAngles().getType();
  int64_t headDim = input.getDimSize(2);
  // A dynamic extent is a negative number.
  if (headDim <= 0 || headDim % 2 != 0 ||
      angles.getShape() !=
          ArrayRef<int64_t>{input.getDimSize(0), headDim / 2, 2})
    return emitOpError("(C1): angles must be [T, D/2, 2] of the input's T and "
                       "its static, positive and even D, got ")
           << angles << " for " << input;
  return success();
}

SmallVector<OpOperand *> RopeOp::getRowOperands() {
  return {&getInputMutable(), &getAnglesMutable()};
}

//===----------------------------------------------------------------------===//
// KvAppendOp
//===----------------------------------------------------------------------===//

LogicalResult KvAppendOp::verify() {
  RankedTensorType rows = getKey().getType(), cache = getKeyCache().getType();
  if (failed(verifyPlace(*this, "(C4)", "start and count",
                         {getStart(), getCount()}, getSequences())) ||
      failed(verifySingleRows(*this, "(C5)", getSingleRows(), getSequences())))
    return failure();
  RankedTensorType slot = getSlotType(cache, getSequences());
  if (!slot || rows.getDimSize(1) != slot.getDimSize(1) ||
      rows.getDimSize(2) != slot.getDimSize(2) || rows.isDynamicDim(1) ||
      rows.isDynamicDim(2))
    return emitOpError("(C1): rows [T, K, D] and caches ")
           << (getSequences() ? "[slots, C, K, D]" : "[C, K, D]")
           << " must agree in static K and D, got " << rows << " and " << cache;
  return success();
}

//===----------------------------------------------------------------------===//
// AttentionOp
//===----------------------------------------------------------------------===//

/// Blocks must hold all that `op`'s mask shows.
static LogicalResult verifyBlocks(AttentionOp op, KeyBlocksAttr blocks) {
  MaskAttr mask = op.getMask();
  bool hasWindow = mask.getWindow() != 0;
  bool isFree = mask.getSpans() == SpanRule::Free;
  if (blocks.getFirst() == BlockStart::Window && (!hasWindow || isFree))
    return op.emitOpError("(C7): blocks start at the window of a mask that has "
                          "none or sees before it: ")
           << mask;
  if (blocks.getFirst() == BlockStart::Span && (!hasWindow || !isFree))
    return op.emitOpError("(C7): blocks start at a span, for a mask without a "
                          "window and free spans: ")
           << mask;
  if (blocks.getLast() == BlockEnd::Row &&
      (mask.getPattern() == MaskPattern::Full || mask.hasSpans()))
    return op.emitOpError("(C8): blocks end at the row of a mask that sees "
                          "behind it: ")
           << mask;
  if (blocks.getLast() == BlockEnd::Span && !mask.hasSpans())
    return op.emitOpError("(C8): blocks end at a span of a mask that has "
                          "none: ")
           << mask;
  return success();
}

LogicalResult AttentionOp::verify() {
  RankedTensorType q = getQuery().getType(), keys = getKey().getType();
  if (failed(verifyPlace(*this, "(C11)", "start and total",
                         {getStart(), getTotal()}, getSequences())) ||
      failed(verifySingleRows(*this, "(C12)", getSingleRows(), getSequences())))
    return failure();
  RankedTensorType k = getSlotType(keys, getSequences());
  if (!k)
    return emitOpError("(C1): keys must be ")
           << (getSequences() ? "[slots, S, K, D]" : "[S, K, D]") << ", got "
           << keys;
  // A dynamic extent is a negative number.
  for (RankedTensorType type : {q, k})
    if (type.getDimSize(1) <= 0 || type.getDimSize(2) <= 0)
      return emitOpError("(C1): heads and head dimension must be static and "
                         "positive, got ")
             << type;
  if (q.getDimSize(2) != k.getDimSize(2))
    return emitOpError("(C4): head dimensions differ: ")
           << q.getDimSize(2) << " in query, " << k.getDimSize(2) << " in key";
  if (q.getDimSize(1) % k.getDimSize(1) != 0)
    return emitOpError("(C5): ")
           << q.getDimSize(1) << " query heads cannot share " << k.getDimSize(1)
           << " key heads";
  if (failed(verifyPositive(*this, "(C6)", "scale", getScale())))
    return failure();
  if (std::optional<llvm::APFloat> softcap = getSoftcap())
    if (failed(verifyPositive(*this, "(C6)", "softcap", *softcap)))
      return failure();
  if (std::optional<KeyBlocksAttr> blocks = getBlocks())
    if (failed(verifyBlocks(*this, *blocks)))
      return failure();
  if (getSequences() && getSpans())
    return emitOpError("(C11): a batch of sequences has no spans");
  if (getMask().hasSpans() != static_cast<bool>(getSpans()))
    return emitOpError("(C9): spans are ")
           << (getSpans() ? "given to a mask that has none: "
                          : "missing, which the mask needs: ")
           << getMask();
  if (getSpans() && getSpans().getType().getDimSize(1) != 2)
    return emitOpError("(C10): spans must be [N, 2], got ")
           << getSpans().getType();
  return success();
}

SmallVector<OpOperand *> AttentionOp::getRowOperands() {
  if (getSequences())
    return {};
  return {&getQueryMutable()};
}

OpOperand *AttentionOp::getStartOperand() {
  return getSequences() ? nullptr : &*getStartMutable().begin();
}
