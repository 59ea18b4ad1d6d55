// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Walks over a step, launches kernels, and lowers what moves rows.

#include "StepLowering.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;

ResultRange StepLowering::launch(Location loc, const cuda::KernelLaunch &kernel,
                                 const Arguments &arguments,
                                 TypeRange results) {
  SmallVector<Type> types(results);
  for (Value update : arguments.updates)
    types.push_back(update.getType());
  // Of a single row it is known how many blocks there are.
  bool isSingle = cast<RankedTensorType>(types.front()).getDimSize(0) == 1;
  SmallVector<int64_t> grid;
  for (cuda::GridSize size : kernel.grid) {
    if (isSingle && size.per != 0)
      size = {(size.times + size.per - 1) / size.per, 0};
    grid.append({size.times, size.per});
  }
  auto symbol = SymbolRefAttr::get(
      b.getContext(), kKernels,
      {FlatSymbolRefAttr::get(b.getContext(), kernel.kernel)});
  Value start, rows;
  if (arguments.readsStep) {
    start = step.getArgument(1);
    rows = step.getArgument(2);
  }
  auto op = LaunchOp::create(
      b, loc, types, symbol, arguments.inputs, arguments.updates, start, rows,
      arguments.readsCapacity, grid, kernel.threads, kernel.sharedBytes);
  return op.getResults();
}

LogicalResult StepLowering::checkStep(Operation *op, Value start, Value rows) {
  if (start == step.getArgument(1) && rows == step.getArgument(2))
    return success();
  return op->emitOpError("reads other rows than those of its step");
}

Value StepLowering::weight(WeightRefOp ref, Type element) {
  return weight(ref, RankedTensorType::get(ref.getType().getShape(), element));
}

Value StepLowering::weight(WeightRefOp ref, RankedTensorType type) {
  Value &value = weights[{ref.getWeightAttr(), type}];
  if (!value) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&step.front());
    value = WeightRefOp::create(b, ref.getLoc(), type, ref.getWeight());
  }
  return value;
}

cuda::WeightFormat flow::formatOf(RankedTensorType type) {
  auto blocks = dyn_cast_or_null<WeightBlocksAttr>(type.getEncoding());
  if (!blocks)
    return {};
  return {blocks.getBits(), blocks.getBlock(),
          blocks.getScale() == ScaleKind::F32, blocks.getMin()};
}

LogicalResult StepLowering::lower(WeightRefOp op) {
  // Those of products and embeddings are lowered where they are read.
  bool isEmbedding = llvm::all_of(
      op->getUsers(), [](Operation *user) { return isa<EmbedOp>(user); });
  if (!op.getType().getEncoding() && !isEmbedding)
    lowered[op] = weight(op, op.getType().getElementType());
  return success();
}

LogicalResult StepLowering::lower(CacheRefOp op) {
  if (op.getKey().getType().getElementType().isBF16() &&
      op.getKey().getType().getRank() == 3)
    return success();
  return op.emitOpError("is a cache that no kernel reads: it must be of bf16 "
                        "and of one sequence, got ")
         << op.getKey().getType();
}

LogicalResult StepLowering::lower(EmbedOp op) {
  auto ref = op.getTable().getDefiningOp<WeightRefOp>();
  int64_t width = typeOf(op.getTable()).getDimSize(1);
  if (!ref || width % 8 != 0)
    return op.emitOpError("has a table that no kernel reads");
  cuda::WeightFormat format = formatOf(ref.getType());
  Arguments arguments;
  arguments.inputs = {op.getTokens(), format.isBlocks()
                                          ? weight(ref, ref.getType())
                                          : weight(ref, bf16())};
  lowered[op] =
      launch(op.getLoc(),
             buildEmbed(b, target, width, op.getScale().convertToDouble(),
                        format, ref.getType().getDimSize(0)),
             arguments, op.getType())[0];
  return success();
}

LogicalResult StepLowering::lower(RopeAnglesOp op) {
  if (op.getStart() != step.getArgument(1))
    return op.emitOpError("is of other rows than those of its step");
  auto table = SymbolTable::lookupNearestSymbolFrom<RopeTableOp>(
      step, op.getTableAttr());
  cuda::RopeAngles rope;
  rope.theta = table.getTheta().convertToDouble();
  rope.factor = table.getFactor().convertToDouble();
  rope.headDim = table.getHeadDim();
  rope.pairs = table.getEffectivePairs();
  Arguments arguments;
  arguments.readsStep = true;
  lowered[op] = launch(op.getLoc(), buildRopeAngles(b, target, rope), arguments,
                       op.getType())[0];
  return success();
}

FailureOr<Value> StepLowering::elements(Operation *op, cuda::ElementOp kind,
                                        ArrayRef<Value> inputs) {
  RankedTensorType type = typeOf(inputs.front());
  if (type.getRank() != 2 || type.getDimSize(1) % 4 != 0 ||
      !type.getElementType().isF32())
    return op->emitOpError("has no kernel for ") << type;
  Arguments arguments;
  llvm::append_range(arguments.inputs, inputs);
  return Value(
      launch(op->getLoc(), buildElements(b, target, kind, type.getDimSize(1)),
             arguments,
             rowsLike(inputs.front(), type.getDimSize(1),
                      kind == cuda::ElementOp::Add ? f32() : bf16()))[0]);
}

LogicalResult StepLowering::lower(QuantizeRowsOp op) {
  if (!isBf16(typeOf(op.getResult())))
    return op.emitOpError("has no kernel");
  if (fusedSum(op.getResult()))
    return success();
  Value rows = now(op.getInput());
  if (typeOf(rows).getElementType().isBF16()) {
    lowered[op] = rows;
    return success();
  }
  FailureOr<Value> rounded = elements(op, cuda::ElementOp::Round, {rows});
  lowered[op] = rounded.value_or(Value());
  return rounded;
}

LogicalResult StepLowering::lower(tensor::ExpandShapeOp op) {
  // Heads side by side are what kernels take for heads.
  Value rows = now(op.getSrc());
  RankedTensorType type = op.getResultType();
  if (type.getRank() != 3 || typeOf(rows).getRank() != 2 ||
      type.getDimSize(1) * type.getDimSize(2) != typeOf(rows).getDimSize(1))
    return op.emitOpError("has no kernel");
  lowered[op] = rows;
  return success();
}

LogicalResult StepLowering::lower(tensor::CollapseShapeOp op) {
  // Attention's heads lie side by side already.
  Value rows = now(op.getSrc());
  if (typeOf(rows).getShape() != op.getResultType().getShape())
    return op.emitOpError("has no kernel");
  lowered[op] = rows;
  return success();
}

/// True if `value` is `rows - 1`.
static bool isLast(OpFoldResult value, Value rows) {
  auto offset = dyn_cast<Value>(value);
  auto sub = offset ? offset.getDefiningOp<arith::SubIOp>() : arith::SubIOp();
  return sub && sub.getLhs() == rows && matchPattern(sub.getRhs(), m_One());
}

LogicalResult StepLowering::lower(tensor::ExtractSliceOp op) {
  Value rows = now(op.getSource());
  RankedTensorType type = typeOf(rows);
  SmallVector<int64_t> sizes(op.getType().getShape());
  SmallVector<OpFoldResult> offsets = op.getMixedOffsets();
  bool isRow =
      op.getType().getRank() == type.getRank() && sizes[0] == 1 &&
      ArrayRef<int64_t>(sizes).drop_front() == type.getShape().drop_front() &&
      isLast(offsets[0], step.getArgument(2)) &&
      llvm::all_of(ArrayRef<OpFoldResult>(offsets).drop_front(), isZeroInteger);
  int64_t rowBytes = type.getElementTypeBitWidth() / 8;
  for (int64_t size : type.getShape().drop_front())
    rowBytes *= size;
  if (!isRow || rowBytes % 16 != 0)
    return op.emitOpError("takes other rows than the last one");
  Arguments arguments;
  arguments.inputs = {rows};
  arguments.readsStep = true;
  lowered[op] =
      launch(op.getLoc(), buildLastRow(b, target, rowBytes), arguments,
             RankedTensorType::get(sizes, type.getElementType()))[0];
  return success();
}

LogicalResult StepLowering::lower(func::ReturnOp op) {
  for (OpOperand &operand : op->getOpOperands())
    operand.set(now(operand.get()));
  return success();
}

LogicalResult StepLowering::lower(Operation &op) {
  if (isa<arith::ConstantOp, arith::AddIOp, arith::SubIOp, tensor::DimOp>(op))
    return success();
  b.setInsertionPoint(&op);
  if (!isa<CacheRefOp, func::ReturnOp>(op))
    replaced.push_back(&op);
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<WeightRefOp, CacheRefOp, EmbedOp, RopeAnglesOp, RmsNormOp,
            AddRmsNormOp, LinearOp, LmHeadOp, LmHeadTopKOp, GatedMlpOp,
            RouterOp, GroupedMlpOp, QkvRopeAppendOp, AttentionOp,
            QuantizeRowsOp, PerLayerGateOp, RopeOp, arith::AddFOp,
            tensor::ExpandShapeOp, tensor::CollapseShapeOp,
            tensor::ExtractSliceOp, func::ReturnOp>(
          [&](auto typed) { return lower(typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}

LogicalResult StepLowering::run() {
  for (Operation &op : llvm::make_early_inc_range(step.front()))
    if (!isa<LaunchOp>(op) && failed(lower(op)))
      return failure();
  for (Operation *op : llvm::reverse(replaced))
    op->erase();
  return success();
}
