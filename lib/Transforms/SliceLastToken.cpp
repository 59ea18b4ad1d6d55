// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Moves the slice of the last row above the stages that feed it.

#include "flow/IR/FlowOps.h"
#include "flow/Transforms/Passes.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_SLICELASTTOKEN
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-slice-last-token";

static remark::RemarkOpts named(StringRef name) {
  return remark::RemarkOpts::name(name).category(kCategory);
}

namespace {

/// True if `slice` takes whole rows, one of them, of a tensor whose number of
/// rows is open.
bool takesOneRow(tensor::ExtractSliceOp slice) {
  RankedTensorType source = slice.getSourceType(), result = slice.getType();
  if (source.getRank() < 2 || result.getRank() != source.getRank() ||
      !source.isDynamicDim(0) || result.getDimSize(0) != 1)
    return false;
  return source.getShape().drop_front() == result.getShape().drop_front() &&
         llvm::all_of(slice.getMixedStrides(), isOneInteger);
}

/// One row, `offset`, of `value`, in front of `op`.
Value sliceRow(OpBuilder &b, Location loc, Value value, OpFoldResult offset) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = 1;
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)), sizes,
      strides(type.getRank(), b.getIndexAttr(1));
  offsets[0] = offset;
  for (int64_t size : shape)
    sizes.push_back(b.getIndexAttr(size));
  return tensor::ExtractSliceOp::create(
      b, loc, RankedTensorType::get(shape, type.getElementType(), type.getEncoding()),
      value, offsets, sizes, strides);
}

/// `type` with one row.
Type oneRow(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<int64_t> shape(tensor.getShape());
  shape[0] = 1;
  return RankedTensorType::get(shape, tensor.getElementType(),
                               tensor.getEncoding());
}

/// The operands of `op` whose rows make its rows; empty if its rows do not
/// stand alone.
SmallVector<OpOperand *> rowOperands(Operation *op) {
  if (auto rowwise = dyn_cast<RowwiseOpInterface>(op))
    return rowwise.getRowOperands();
  SmallVector<OpOperand *> operands;
  if (OpTrait::hasElementwiseMappableTraits(op))
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<RankedTensorType>(operand.get().getType()))
        return {};
      operands.push_back(&operand);
    }
  return operands;
}

/// Reshapes that keep the rows: only trailing dimensions are split or joined.
bool keepsRows(Operation *op) {
  auto firstAlone = [](ArrayRef<ReassociationIndices> groups) {
    return !groups.empty() && groups.front().size() == 1;
  };
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return firstAlone(expand.getReassociationIndices());
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    return firstAlone(collapse.getReassociationIndices());
  return false;
}

class Slicer {
public:
  explicit Slicer(MLIRContext *context) : b(context) {}

  /// Moves `slice` above its producer, and the slices that this makes.
  void hoist(tensor::ExtractSliceOp slice);

private:
  void stop(tensor::ExtractSliceOp slice, Operation *producer,
            StringRef reason) {
    remark::missed(producer->getLoc(), named("row-not-sliced"))
        << remark::reason("{0} runs for all rows: {1}",
                          producer->getName().getStringRef(), reason);
    (void)slice;
  }
  Operation *cloneForRow(Operation *producer, OpFoldResult row);

  OpBuilder b;
  SmallVector<tensor::ExtractSliceOp> made;
};

Operation *Slicer::cloneForRow(Operation *producer, OpFoldResult row) {
  IRMapping mapping;
  Location loc = producer->getLoc();
  auto sliced = [&](Value value) {
    Value piece = sliceRow(b, loc, value, row);
    made.push_back(piece.getDefiningOp<tensor::ExtractSliceOp>());
    return piece;
  };
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(producer)) {
    SmallVector<OpFoldResult> sizes = expand.getMixedOutputShape();
    sizes[0] = b.getIndexAttr(1);
    return tensor::ExpandShapeOp::create(
        b, loc, oneRow(expand.getType()), sliced(expand.getSrc()),
        expand.getReassociationIndices(), sizes);
  }
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(producer))
    return tensor::CollapseShapeOp::create(
        b, loc, cast<RankedTensorType>(oneRow(collapse.getType())),
        sliced(collapse.getSrc()), collapse.getReassociationIndices());

  Operation *clone = b.clone(*producer);
  for (OpOperand *operand : rowOperands(producer)) {
    b.setInsertionPoint(clone);
    clone->setOperand(operand->getOperandNumber(), sliced(operand->get()));
  }
  if (auto rowwise = dyn_cast<RowwiseOpInterface>(producer))
    if (OpOperand *start = rowwise.getStartOperand()) {
      Value offset = getValueOrCreateConstantIndexOp(b, loc, row);
      Value moved = arith::AddIOp::create(b, loc, start->get(), offset);
      clone->setOperand(start->getOperandNumber(), moved);
    }
  for (Value result : clone->getResults())
    result.setType(oneRow(result.getType()));
  b.setInsertionPointAfter(clone);
  return clone;
}

void Slicer::hoist(tensor::ExtractSliceOp first) {
  made.push_back(first);
  while (!made.empty()) {
    tensor::ExtractSliceOp slice = made.pop_back_val();
    auto result = dyn_cast<OpResult>(slice.getSource());
    if (!result || !takesOneRow(slice))
      continue;
    Operation *producer = result.getOwner();
    if (!keepsRows(producer) && rowOperands(producer).empty()) {
      stop(slice, producer, "its rows depend on each other");
      continue;
    }
    if (producer->getBlock() != slice->getBlock()) {
      stop(slice, producer, "it stands in another block");
      continue;
    }
    if (!llvm::hasSingleElement(producer->getUsers())) {
      stop(slice, producer, "others read its result too");
      continue;
    }
    OpFoldResult row = slice.getMixedOffsets()[0];
    // The row's number is known where the slice stands, so the stage moves
    // down to it; nobody else reads it.
    b.setInsertionPoint(slice);
    Operation *clone = cloneForRow(producer, row);
    remark::passed(producer->getLoc(), named("row-sliced"))
        << remark::add("{0} runs for one row",
                       producer->getName().getStringRef());
    slice.getResult().replaceAllUsesWith(
        clone->getResult(result.getResultNumber()));
    slice.erase();
    producer->erase();
  }
}

struct SliceLastToken : flow::impl::SliceLastTokenBase<SliceLastToken> {
  void runOnOperation() override {
    SmallVector<tensor::ExtractSliceOp> slices;
    getOperation()->walk([&](tensor::ExtractSliceOp slice) {
      if (takesOneRow(slice))
        slices.push_back(slice);
    });
    for (tensor::ExtractSliceOp slice : slices)
      Slicer(&getContext()).hoist(slice);
  }
};
} // namespace
