// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Moves the slice of the last row above the stages that feed it.

#include "flow/IR/FlowOps.h"
#include "flow/Transforms/Passes.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"

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

/// True if every row of `type` has the same length, known here.
bool hasStaticRows(RankedTensorType type) {
  return type.getRank() >= 2 &&
         !ShapedType::isDynamicShape(type.getShape().drop_front());
}

/// True if `slice` takes one of several rows, and the whole of it.
bool takesOneRow(tensor::ExtractSliceOp slice) {
  RankedTensorType source = slice.getSourceType(), result = slice.getType();
  if (!hasStaticRows(source) || result.getRank() != source.getRank() ||
      source.getDimSize(0) == 1 || result.getDimSize(0) != 1)
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
      b, loc,
      RankedTensorType::get(shape, type.getElementType(), type.getEncoding()),
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
  // The condition of a select may be one scalar for all elements.
  if (OpTrait::hasElementwiseMappableTraits(op))
    for (OpOperand &operand : op->getOpOperands())
      if (isa<RankedTensorType>(operand.get().getType()))
        operands.push_back(&operand);
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

/// Moves slices up until no producer is read through equal slices alone.
class Slicer {
public:
  explicit Slicer(Operation *root) : root(root), b(root->getContext()) {}

  void run();

private:
  /// Why the slices of `producer` cannot move above it; empty if they can.
  std::string obstacle(Operation *producer);
  /// Makes `producer` run for the one row that its users read.
  void hoist(Operation *producer);
  Operation *cloneForRow(Operation *producer, OpFoldResult row);

  Operation *root;
  OpBuilder b;
};

Operation *Slicer::cloneForRow(Operation *producer, OpFoldResult row) {
  IRMapping mapping;
  Location loc = producer->getLoc();
  auto sliced = [&](Value value) { return sliceRow(b, loc, value, row); };
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

std::string Slicer::obstacle(Operation *producer) {
  if (auto attention = dyn_cast<AttentionOp>(producer);
      attention && attention.getSequences())
    return "a table says whose its rows are";
  if (!keepsRows(producer) && rowOperands(producer).empty())
    return "its rows depend on each other";
  for (OpOperand *operand : rowOperands(producer))
    if (auto type = dyn_cast<RankedTensorType>(operand->get().getType());
        !type || !hasStaticRows(type))
      return "the length of its rows is open";
  std::optional<OpFoldResult> row;
  for (Operation *user : producer->getUsers()) {
    auto slice = dyn_cast<tensor::ExtractSliceOp>(user);
    if (!slice || !takesOneRow(slice))
      return "others read all of its rows";
    if (row && *row != slice.getMixedOffsets()[0])
      return "different rows of it are read";
    row = slice.getMixedOffsets()[0];
    if (slice->getBlock() != producer->getBlock())
      return "it stands in another block";
  }
  return {};
}

void Slicer::hoist(Operation *producer) {
  // The number of the row is known where the first slice stands, so the stage
  // moves down to it; nobody reads it before.
  SmallVector<tensor::ExtractSliceOp> slices;
  for (Operation *user : producer->getUsers())
    slices.push_back(cast<tensor::ExtractSliceOp>(user));
  tensor::ExtractSliceOp first = slices.front();
  for (tensor::ExtractSliceOp slice : slices)
    if (slice->isBeforeInBlock(first))
      first = slice;
  b.setInsertionPoint(first);
  Operation *clone = cloneForRow(producer, first.getMixedOffsets()[0]);
  remark::passed(producer->getLoc(), named("row-sliced")) << remark::add(
      "{0} runs for one row", producer->getName().getStringRef());
  for (tensor::ExtractSliceOp slice : slices) {
    unsigned number = cast<OpResult>(slice.getSource()).getResultNumber();
    slice.getResult().replaceAllUsesWith(clone->getResult(number));
    slice.erase();
  }
  producer->erase();
}

void Slicer::run() {
  llvm::SetVector<Operation *> producers;
  bool changed = true;
  while (changed) {
    changed = false;
    producers.clear();
    root->walk([&](tensor::ExtractSliceOp slice) {
      if (Operation *producer = slice.getSource().getDefiningOp();
          producer && takesOneRow(slice))
        producers.insert(producer);
    });
    for (Operation *producer : producers) {
      if (!obstacle(producer).empty())
        continue;
      hoist(producer);
      changed = true;
      break; // the producers above have other users now
    }
  }
  for (Operation *producer : producers)
    remark::missed(producer->getLoc(), named("row-not-sliced"))
        << remark::reason("{0} runs for all rows: {1}",
                          producer->getName().getStringRef(),
                          obstacle(producer));
}

struct SliceLastToken : flow::impl::SliceLastTokenBase<SliceLastToken> {
  void runOnOperation() override { Slicer(getOperation()).run(); }
};
} // namespace
