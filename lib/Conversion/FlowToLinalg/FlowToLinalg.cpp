// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowers functions of stages to linalg and scf on packed tensors.

#include "flow/Conversion/Passes.h"

#include "GroupedExperts.h"
#include "PackedProducts.h"
#include "flow/Codegen/CPU/Kernels.h"
#include "flow/Conversion/BufferTypes.h"
#include "flow/IR/FlowOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;

namespace flow {
#define GEN_PASS_DEF_CONVERTFLOWTOLINALG
#include "flow/Conversion/Passes.h.inc"
} // namespace flow

namespace {

/// The physical values of one logical value: one for plain tensors, scalars
/// and caches, two to four for quantised rows and integer panels.
using Parts = cpu::RowParts;

/// What a cache value of a function is to the runtime.
enum class CacheRole { None, Keys, Values };

CacheRole roleOf(Value value) {
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (auto append = dyn_cast<QkvRopeAppendOp>(user)) {
      if (append.getKeyCache() == value)
        return CacheRole::Keys;
      if (append.getValueCache() == value)
        return CacheRole::Values;
    } else if (auto append = dyn_cast<KvAppendOp>(user)) {
      if (append.getKeyCache() == value)
        return CacheRole::Keys;
      if (append.getValueCache() == value)
        return CacheRole::Values;
    } else if (auto attention = dyn_cast<AttentionOp>(user)) {
      if (attention.getKey() == value)
        return CacheRole::Keys;
      if (attention.getValue() == value)
        return CacheRole::Values;
    }
  }
  return CacheRole::None;
}

/// The types of the buffers that a value of `type` occupies.
SmallVector<RankedTensorType, 4> physicalTypes(RankedTensorType type,
                                               CacheRole role) {
  MLIRContext *context = type.getContext();
  Type f32 = Float32Type::get(context), bf16 = BFloat16Type::get(context),
       i8 = IntegerType::get(context, 8);
  ArrayRef<int64_t> shape = type.getShape();
  if (role != CacheRole::None) {
    // Several sequences have slots, each of which is as the cache of one.
    SmallVector<int64_t, 5> dims(shape.size() - 3, ShapedType::kDynamic);
    int64_t kvHeads = shape.drop_back().back(), headDim = shape.back();
    if (role == CacheRole::Keys)
      dims.append({kvHeads, ShapedType::kDynamic, headDim, cpu::kPanel});
    else
      dims.append(
          {kvHeads, headDim / cpu::kPanel, ShapedType::kDynamic, cpu::kPanel});
    return {RankedTensorType::get(dims, type.getElementType())};
  }
  if (auto panels = dyn_cast_or_null<PanelsAttr>(type.getEncoding())) {
    int64_t count = shape[0] / cpu::kPanel, depth = shape[1];
    if (panels.getKind() == PanelKind::F32)
      return {RankedTensorType::get({count, depth, cpu::kPanel}, f32)};
    if (panels.getKind() == PanelKind::BF16)
      return {RankedTensorType::get({count, depth / 2, 2 * cpu::kPanel}, bf16)};
    int64_t blocks = depth / panels.getBlock();
    Type scale = panels.getScale() == ScaleKind::F16
                     ? Type(Float16Type::get(context))
                     : f32;
    auto bytes = [&](int64_t columns) {
      return RankedTensorType::get({count, depth / columns, 4 * cpu::kPanel},
                                   i8);
    };
    SmallVector<RankedTensorType, 4> types;
    int64_t leading = panels.getLeading();
    if (int64_t bits = leading ? leading : panels.getBits(); bits == 8) {
      types.push_back(bytes(4));
    } else {
      types.push_back(bytes(8));
      if (bits != 4)
        types.push_back(bytes(32 / (bits - 4)));
    }
    if (leading)
      types.push_back(RankedTensorType::get(
          {count, (panels.getBits() - leading) * depth / 32, 4 * cpu::kPanel},
          i8));
    types.push_back(RankedTensorType::get({count, blocks, cpu::kPanel}, scale));
    if (panels.getMin())
      types.push_back(RankedTensorType::get({count, blocks, cpu::kPanel}, f32));
    return types;
  }
  return getRowBufferTypes(type);
}

/// What `layout`, of rows or null, is to kernels.
cpu::RowLayout rowLayout(Attribute layout) {
  using Kind = cpu::RowLayout::Kind;
  if (auto blocks = dyn_cast_or_null<QuantizedRowsAttr>(layout))
    return {Kind::Quantized, blocks.getBlock()};
  return {layout ? Kind::Bf16 : Kind::F32};
}

cpu::RowLayout rowLayoutOf(Value value) {
  return rowLayout(cast<RankedTensorType>(value.getType()).getEncoding());
}

/// Lowers one function of stages into a new one beside it.
class FunctionLowering {
public:
  /// Several rows are a multiple of `rowUnit`.
  FunctionLowering(func::FuncOp source, cpu::RegisterTile registers,
                   int64_t rowUnit)
      : source(source), rowUnit(rowUnit), b(source.getLoc(), source),
        registers(registers) {}

  LogicalResult run();

private:
  LogicalResult createFunction();
  LogicalResult lowerReturn(func::ReturnOp op);
  LogicalResult lower(Operation &op);
  LogicalResult lower(RmsNormOp op);
  LogicalResult lower(arith::AddFOp op);
  LogicalResult lower(ScaleOp op);
  LogicalResult lower(LinearOp op);
  LogicalResult lower(LmHeadOp op);
  LogicalResult lower(TopKOp op);
  LogicalResult lower(LmHeadTopKOp op);
  LogicalResult lower(GegluOp op);
  LogicalResult lower(RopeOp op);
  LogicalResult lower(KvAppendOp op);
  LogicalResult lower(AttentionOp op);
  LogicalResult lower(AddRmsNormOp op);
  LogicalResult lower(QkvRopeAppendOp op);
  LogicalResult lower(GatedMlpOp op);
  LogicalResult lower(PerLayerGateOp op);
  LogicalResult lower(QuantizeRowsOp op);
  LogicalResult lower(RouteExpertsOp op);
  LogicalResult lower(RouterOp op);
  LogicalResult lower(GroupedMlpOp op);
  void choose(Value logits, std::optional<double> cap, Value values,
              Value indices);
  void route(Value experts, Value shares, Value logits, Value scale,
             const llvm::APFloat &factor);
  LogicalResult cloneForeign(Operation &op);

  Value single(Value value) { return parts.at(value).front(); }
  Value singleOrNull(Value value) { return value ? single(value) : Value(); }
  void set(Value value, Value lowered) { parts[value] = {lowered}; }

  /// The layout of `weight`; null after an error.
  PanelsAttr panelsOf(Operation *op, Value weight);
  /// Rows by a weight in whatever layout both have.
  Value product(const Parts &rows, const Parts &packed, PanelsAttr panels);
  /// The same of a weight of the function; null after an error.
  Value product(Operation *op, const Parts &rows, Value weight);
  /// The cache write of `op`, whose rows are given.
  template <typename Append>
  LogicalResult append(Append op, const cpu::HeadColumns &keys,
                       const cpu::HeadStage &keyStage,
                       const cpu::HeadColumns &values,
                       const cpu::HeadStage &valueStage);
  /// `[T, H, D]` as `[T, H * D]` and back.
  Value joinHeads(Value heads);
  Value splitHeads(Value rows, RankedTensorType type);

  func::FuncOp source, target;
  int64_t rowUnit;
  ImplicitLocOpBuilder b;
  cpu::RegisterTile registers;
  DenseMap<Value, Parts> parts;
  /// The buffer behind each cache argument, and behind what became of it.
  DenseMap<Value, Value> cacheBuffers;
};

LogicalResult FunctionLowering::createFunction() {
  MLIRContext *context = b.getContext();
  SmallVector<Type> types{LLVM::LLVMPointerType::get(context)};
  SmallVector<CacheRole> roles;
  auto memrefOf = [](RankedTensorType type) {
    return MemRefType::get(type.getShape(), type.getElementType());
  };
  for (BlockArgument argument : source.getArguments()) {
    CacheRole role = roleOf(argument);
    roles.push_back(role);
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type) {
      types.push_back(argument.getType());
      continue;
    }
    for (RankedTensorType part : physicalTypes(type, role))
      types.push_back(memrefOf(part));
  }
  auto ret = cast<func::ReturnOp>(source.front().getTerminator());
  auto resultsCache = [&](Value value) {
    Operation *op = value.getDefiningOp();
    return isa_and_nonnull<QkvRopeAppendOp, KvAppendOp>(op) &&
           !(isa<QkvRopeAppendOp>(op) && value == op->getResult(0));
  };
  for (Value result : ret.getOperands()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type || isa_and_nonnull<PanelsAttr>(type.getEncoding()))
      return ret.emitOpError("returns a value that no buffer can hold: ")
             << result.getType();
    if (resultsCache(result))
      continue;
    for (RankedTensorType part : getRowBufferTypes(type))
      types.push_back(memrefOf(part));
  }

  target =
      func::FuncOp::create(b, source.getName(), b.getFunctionType(types, {}));
  target->setDiscardableAttrs(source->getDiscardableAttrDictionary());
  target->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                  b.getUnitAttr());
  Block *entry = target.addEntryBlock();
  b.setInsertionPointToStart(entry);
  size_t next = 1;
  for (auto [argument, role] : llvm::zip_equal(source.getArguments(), roles)) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type) {
      set(argument, entry->getArgument(next++));
      continue;
    }
    Parts &list = parts[argument];
    for (RankedTensorType part : physicalTypes(type, role)) {
      Value buffer = entry->getArgument(next++);
      list.push_back(bufferization::ToTensorOp::create(
          b, part, buffer, /*restrict=*/true,
          /*writable=*/role != CacheRole::None));
      if (role != CacheRole::None)
        cacheBuffers[argument] = buffer;
    }
  }
  return success();
}

LogicalResult FunctionLowering::lowerReturn(func::ReturnOp op) {
  Block *entry = &target.front();
  size_t next = entry->getNumArguments();
  SmallVector<std::pair<Value, Value>> stored;
  for (Value result : op.getOperands()) {
    auto cache = cacheBuffers.find(result);
    for (Value part : parts.at(result)) {
      stored.push_back(
          {part, cache != cacheBuffers.end() ? cache->second : Value()});
      next -= stored.back().second ? 0 : 1;
    }
  }
  for (auto [value, buffer] : stored) {
    if (!buffer)
      buffer = entry->getArgument(next++);
    // Heads are computed as rows, which must find the buffer behind the split.
    if (auto split = value.getDefiningOp<tensor::ExpandShapeOp>()) {
      value = split.getSrc();
      buffer = memref::CollapseShapeOp::create(b, buffer,
                                               split.getReassociationIndices());
    }
    auto materialize = bufferization::MaterializeInDestinationOp::create(
        b, Type(), value, buffer);
    materialize.setRestrict(true);
    materialize.setWritable(true);
  }
  func::ReturnOp::create(b);
  return success();
}

PanelsAttr FunctionLowering::panelsOf(Operation *op, Value weight) {
  auto panels = dyn_cast_or_null<PanelsAttr>(
      cast<RankedTensorType>(weight.getType()).getEncoding());
  if (!panels)
    op->emitOpError("has a weight without layout: flow-choose-layouts must run "
                    "first");
  return panels;
}

Value FunctionLowering::product(Operation *op, const Parts &rows,
                                Value weight) {
  PanelsAttr panels = panelsOf(op, weight);
  return panels ? product(rows, parts.at(weight), panels) : Value();
}

Value FunctionLowering::product(const Parts &rows, const Parts &packed,
                                PanelsAttr panels) {
  if (panels.getKind() == PanelKind::F32)
    return buildF32Product(b, b.getLoc(), rows[0], packed[0]);
  if (panels.getKind() == PanelKind::BF16)
    return buildBf16Product(b, b.getLoc(), rows[0], packed[0]);
  I8Panels weights;
  weights.offset = panels.getOffset();
  auto part = packed.begin();
  weights.quants = *part++;
  if (panels.getLeading() || panels.getBits() == 5 || panels.getBits() == 6)
    weights.upperBits = *part++;
  if (panels.getLeading())
    weights.lowBits = *part++;
  weights.scales = *part++;
  if (panels.getMin())
    weights.minima = *part++;
  return buildI8Product(b, b.getLoc(), {rows[0], rows[1], rows[2]}, weights);
}

Value FunctionLowering::joinHeads(Value heads) {
  return tensor::CollapseShapeOp::create(
      b, heads, SmallVector<ReassociationIndices>{{0}, {1, 2}});
}

Value FunctionLowering::splitHeads(Value rows, RankedTensorType type) {
  SmallVector<OpFoldResult> sizes{tensor::getMixedSize(b, b.getLoc(), rows, 0),
                                  b.getIndexAttr(type.getDimSize(1)),
                                  b.getIndexAttr(type.getDimSize(2))};
  return tensor::ExpandShapeOp::create(
      b, RankedTensorType::get(type.getShape(), type.getElementType()), rows,
      SmallVector<ReassociationIndices>{{0}, {1, 2}}, sizes);
}

LogicalResult FunctionLowering::lower(RmsNormOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  double eps = op.getEps().convertToDouble();
  Value x = single(op.getInput()), weight = singleOrNull(op.getWeight());
  if (type.getRank() == 2) {
    parts[op] =
        cpu::buildRmsNorm(b, b.getLoc(), x, weight, eps, rowLayoutOf(op));
    return success();
  }
  if (type.getRank() != 3)
    return op.emitOpError("of rank ") << type.getRank() << " has no lowering";
  Value y = cpu::buildHeads(b, b.getLoc(), {joinHeads(x)}, type.getDimSize(1),
                            type.getDimSize(2), {true, weight, eps, {}});
  set(op, splitHeads(y, type));
  return success();
}

LogicalResult FunctionLowering::lower(arith::AddFOp op) {
  auto type = dyn_cast<RankedTensorType>(op.getType());
  if (!type || type.getRank() != 2 || !type.getElementType().isF32() ||
      type.isDynamicDim(1))
    return cloneForeign(*op);
  set(op,
      cpu::buildAdd(b, b.getLoc(), single(op.getLhs()), single(op.getRhs())));
  return success();
}

LogicalResult FunctionLowering::lower(ScaleOp op) {
  if (cast<RankedTensorType>(op.getType()).getRank() != 2)
    return op.emitOpError("of a rank other than 2 has no lowering");
  set(op, cpu::buildScale(b, b.getLoc(), single(op.getInput()),
                          single(op.getFactor())));
  return success();
}

LogicalResult FunctionLowering::lower(LinearOp op) {
  Value result = product(op, parts.at(op.getInput()), op.getWeight());
  if (!result)
    return failure();
  set(op, result);
  return success();
}

LogicalResult FunctionLowering::lower(LmHeadOp op) {
  Value result = product(op, parts.at(op.getInput()), op.getTable());
  if (!result)
    return failure();
  if (std::optional<llvm::APFloat> cap = op.getSoftcap())
    result = cpu::buildSoftcap(b, b.getLoc(), result, cap->convertToDouble());
  set(op, result);
  return success();
}

void FunctionLowering::choose(Value logits, std::optional<double> cap,
                              Value values, Value indices) {
  auto [best, columns] = cpu::buildTopK(
      b, b.getLoc(), logits,
      cast<RankedTensorType>(values.getType()).getDimSize(1), cap);
  set(values, best);
  set(indices, columns);
}

LogicalResult FunctionLowering::lower(TopKOp op) {
  choose(single(op.getInput()), std::nullopt, op.getValues(), op.getIndices());
  return success();
}

LogicalResult FunctionLowering::lower(LmHeadTopKOp op) {
  Value logits = product(op, parts.at(op.getInput()), op.getTable());
  if (!logits)
    return failure();
  std::optional<double> cap;
  if (std::optional<llvm::APFloat> softcap = op.getSoftcap())
    cap = softcap->convertToDouble();
  if (panelsOf(op, op.getTable()).getLeading())
    cpu::allowScreening(
        logits, cast<RankedTensorType>(op.getValues().getType()).getDimSize(1),
        cap);
  choose(logits, cap, op.getValues(), op.getIndices());
  return success();
}

LogicalResult FunctionLowering::lower(GegluOp op) {
  if (cast<RankedTensorType>(op.getType()).getRank() != 2)
    return op.emitOpError("of a rank other than 2 has no lowering");
  parts[op] = cpu::buildGeglu(b, b.getLoc(), single(op.getGate()),
                              single(op.getUp()), {});
  return success();
}

LogicalResult FunctionLowering::lower(RopeOp op) {
  RankedTensorType type = op.getType();
  cpu::HeadStage stage;
  stage.angles = single(op.getAngles());
  Value y = cpu::buildHeads(b, b.getLoc(), {joinHeads(single(op.getInput()))},
                            type.getDimSize(1), type.getDimSize(2), stage);
  set(op, splitHeads(y, type));
  return success();
}

/// Panels of values are whole.
static LogicalResult checkHeads(Operation *op, int64_t headDim) {
  if (headDim % cpu::kPanel == 0)
    return success();
  return op->emitOpError("has heads of ")
         << headDim << ", not a multiple of 32";
}

template <typename Append>
LogicalResult FunctionLowering::append(Append op, const cpu::HeadColumns &keys,
                                       const cpu::HeadStage &keyStage,
                                       const cpu::HeadColumns &values,
                                       const cpu::HeadStage &valueStage) {
  if (failed(checkHeads(op, op.getKeyCache().getType().getShape().back())))
    return failure();
  cpu::KvTensors cache{single(op.getKeyCache()), single(op.getValueCache())};
  if (op.getSequences()) {
    auto build = op.getSingleRows() ? cpu::buildSingleRowAppend
                                    : cpu::buildSequenceAppend;
    cache = build(b, b.getLoc(), keys, keyStage, values, valueStage, cache,
                  single(op.getSequences()));
  } else {
    cache =
        cpu::buildAppend(b, b.getLoc(), keys, keyStage, values, valueStage,
                         cache, single(op.getStart()), single(op.getCount()));
  }
  set(op.getNewKeyCache(), cache.keys);
  set(op.getNewValueCache(), cache.values);
  cacheBuffers[op.getNewKeyCache()] = cacheBuffers.lookup(op.getKeyCache());
  cacheBuffers[op.getNewValueCache()] = cacheBuffers.lookup(op.getValueCache());
  return success();
}

LogicalResult FunctionLowering::lower(KvAppendOp op) {
  return append(op, {joinHeads(single(op.getKey()))}, {},
                {joinHeads(single(op.getValue()))}, {});
}

LogicalResult FunctionLowering::lower(AttentionOp op) {
  // Positions are the open dimension: of keys they are panels.
  auto isCache = [&](Value value, int64_t positions) {
    auto type = cast<RankedTensorType>(single(value).getType());
    return cacheBuffers.count(value) &&
           type.getRank() == (op.getSequences() ? 5 : 4) &&
           type.isDynamicDim(type.getRank() - positions);
  };
  if (!isCache(op.getKey(), 3) || !isCache(op.getValue(), 2))
    return op.emitOpError("reads keys that are in no cache, which has no "
                          "lowering");
  if (failed(checkHeads(op, op.getType().getDimSize(2))))
    return failure();
  cpu::AttentionShape shape;
  shape.registers = registers;
  shape.rowUnit = rowUnit;
  shape.scale = op.getScale().convertToDouble();
  if (std::optional<llvm::APFloat> cap = op.getSoftcap())
    shape.softcap = cap->convertToDouble();
  shape.window = op.getMask().getWindow();
  shape.causal = op.getMask().getPattern() == MaskPattern::Causal;
  if (std::optional<KeyBlocksAttr> blocks = op.getBlocks()) {
    if (blocks->getSize() != cpu::kPanel)
      return op.emitOpError("has blocks of ")
             << blocks->getSize() << " keys, panels hold 32";
    shape.startsAtWindow = blocks->getFirst() != BlockStart::Zero;
  }
  shape.freeSpans = op.getMask().getSpans() == SpanRule::Free;
  Value query = single(op.getQuery());
  cpu::KvTensors cache{single(op.getKey()), single(op.getValue())};
  if (op.getSequences()) {
    auto build = op.getSingleRows() ? cpu::buildSingleRowAttention
                                    : cpu::buildSequenceAttention;
    set(op,
        build(b, b.getLoc(), query, cache, single(op.getSequences()), shape));
  } else {
    set(op, cpu::buildAttention(b, b.getLoc(), query, cache,
                                single(op.getStart()), single(op.getTotal()),
                                singleOrNull(op.getSpans()), shape));
  }
  return success();
}

LogicalResult FunctionLowering::lower(AddRmsNormOp op) {
  if (cast<RankedTensorType>(op.getStream().getType()).getRank() != 2)
    return op.emitOpError("of a rank other than 2 has no lowering");
  auto [sum, normed] = cpu::buildAddRmsNorm(
      b, b.getLoc(), single(op.getStream()), single(op.getBranch()),
      singleOrNull(op.getBranchWeight()), singleOrNull(op.getSumScale()),
      single(op.getWeight()), op.getEps().convertToDouble(),
      rowLayoutOf(op.getNormed()));
  set(op.getSum(), sum);
  parts[op.getNormed()] = normed;
  return success();
}

LogicalResult FunctionLowering::lower(QkvRopeAppendOp op) {
  Value rows = product(op, parts.at(op.getInput()), op.getWeight());
  if (!rows)
    return failure();
  RankedTensorType query = op.getQuery().getType();
  // [..., K, D], with or without slots.
  int64_t kvHeads = op.getKeyCache().getType().getShape().drop_back().back();
  int64_t heads = query.getDimSize(1), headDim = query.getDimSize(2);
  int64_t firstKey = heads * headDim;
  // With k_eq_v the values are the keys as they were projected.
  int64_t firstValue = op.getKEqV() ? firstKey : firstKey + kvHeads * headDim;
  double eps = op.getEps().convertToDouble();
  Value angles = single(op.getAngles());
  bool norms = static_cast<bool>(op.getQNorm());
  cpu::HeadStage queryStage{norms, singleOrNull(op.getQNorm()), eps, angles};
  cpu::HeadStage keyStage{norms, singleOrNull(op.getKNorm()), eps, angles};
  cpu::HeadStage valueStage{op.getVNorm(), {}, eps, {}};
  Value q =
      cpu::buildHeads(b, b.getLoc(), {rows, 0}, heads, headDim, queryStage);
  set(op.getQuery(), splitHeads(q, query));
  return append(op, {rows, firstKey}, keyStage, {rows, firstValue}, valueStage);
}

LogicalResult FunctionLowering::lower(GatedMlpOp op) {
  Value gateUp = product(op, parts.at(op.getInput()), op.getGateUp());
  if (!gateUp)
    return failure();
  Parts hidden = cpu::buildInterleavedGeglu(b, b.getLoc(), gateUp,
                                            rowLayout(op.getHiddenAttr()));
  Value result = product(op, hidden, op.getDown());
  if (!result)
    return failure();
  set(op, result);
  return success();
}

LogicalResult FunctionLowering::lower(PerLayerGateOp op) {
  Value gate = product(op, parts.at(op.getInput()), op.getGate());
  if (!gate)
    return failure();
  Parts hidden = cpu::buildGeglu(b, b.getLoc(), gate, single(op.getEmbedded()),
                                 rowLayout(op.getHiddenAttr()));
  Value result = product(op, hidden, op.getOutput());
  if (!result)
    return failure();
  set(op, result);
  return success();
}

LogicalResult FunctionLowering::lower(QuantizeRowsOp op) {
  parts[op] = cpu::buildLaidOutRows(b, b.getLoc(), single(op.getInput()),
                                    rowLayoutOf(op));
  return success();
}

void FunctionLowering::route(Value experts, Value shares, Value logits,
                             Value scale, const llvm::APFloat &factor) {
  auto [chosen, parts] = cpu::buildRouteExperts(
      b, b.getLoc(), logits, single(scale), factor.convertToDouble(),
      cast<RankedTensorType>(experts.getType()).getDimSize(1));
  set(experts, chosen);
  set(shares, parts);
}

LogicalResult FunctionLowering::lower(RouteExpertsOp op) {
  route(op.getExperts(), op.getShares(), single(op.getLogits()),
        op.getExpertScale(), op.getFactor());
  return success();
}

LogicalResult FunctionLowering::lower(RouterOp op) {
  Value logits = product(op, parts.at(op.getInput()), op.getWeight());
  if (!logits)
    return failure();
  route(op.getExperts(), op.getShares(), logits, op.getExpertScale(),
        op.getFactor());
  return success();
}

LogicalResult FunctionLowering::lower(GroupedMlpOp op) {
  PanelsAttr gateUp = panelsOf(op, op.getGateUp()),
             down = gateUp ? panelsOf(op, op.getDown()) : PanelsAttr();
  if (!down)
    return failure();
  int64_t experts = op.getExpertCount();
  if (op.getType().getDimSize(1) % cpu::kPanel != 0)
    return op.emitOpError("has experts of ")
           << op.getType().getDimSize(1) << " rows, not a multiple of 32";
  // The functions called here build where the loop over experts is.
  auto mlp = [&](OpBuilder &inner, Value expert, ValueRange rows) {
    OpBuilder::InsertionGuard guard(b);
    b.restoreInsertionPoint(inner.saveInsertionPoint());
    auto ofExpert = [&](Value weight) {
      Parts own;
      for (Value part : parts.at(weight))
        own.push_back(takeExpert(b, b.getLoc(), part, expert, experts));
      return own;
    };
    Value both = product(Parts(rows), ofExpert(op.getGateUp()), gateUp);
    Parts hidden = cpu::buildInterleavedGeglu(b, b.getLoc(), both,
                                              rowLayout(op.getHiddenAttr()));
    Value result = product(hidden, ofExpert(op.getDown()), down);
    inner.restoreInsertionPoint(b.saveInsertionPoint());
    return result;
  };
  set(op,
      buildGroupedExperts(b, b.getLoc(), parts.at(op.getInput()),
                          single(op.getExperts()), single(op.getShares()),
                          experts, op.getType().getDimSize(1), rowUnit, mlp));
  return success();
}

LogicalResult FunctionLowering::cloneForeign(Operation &op) {
  IRMapping mapping;
  for (Value operand : op.getOperands()) {
    const Parts &list = parts.at(operand);
    if (list.size() != 1 || list[0].getType() != operand.getType())
      return op.emitOpError("uses a value in a layout of its own");
    mapping.map(operand, list[0]);
  }
  Operation *clone = b.clone(op, mapping);
  for (auto [old, fresh] :
       llvm::zip_equal(op.getResults(), clone->getResults()))
    set(old, fresh);
  return success();
}

LogicalResult FunctionLowering::lower(Operation &op) {
  b.setLoc(op.getLoc());
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<arith::AddFOp, RmsNormOp, ScaleOp, LinearOp, LmHeadOp, GegluOp,
            RopeOp, KvAppendOp, AttentionOp, AddRmsNormOp, QkvRopeAppendOp,
            GatedMlpOp, PerLayerGateOp, QuantizeRowsOp, RouteExpertsOp,
            RouterOp, GroupedMlpOp, TopKOp, LmHeadTopKOp>(
          [&](auto stage) { return lower(stage); })
      .Case([&](func::ReturnOp ret) { return lowerReturn(ret); })
      .Default([&](Operation *other) -> LogicalResult {
        if (isa_and_nonnull<FlowDialect>(other->getDialect()) ||
            other->getNumRegions() != 0)
          return other->emitOpError("has no lowering to linalg");
        return cloneForeign(*other);
      });
}

LogicalResult FunctionLowering::run() {
  if (!llvm::hasSingleElement(source.getBody()))
    return source.emitOpError("must have one block to be lowered");
  if (failed(createFunction()))
    return failure();
  for (Operation &op : source.front())
    if (failed(lower(op))) {
      target.erase();
      return failure();
    }
  source.erase();
  return success();
}

/// True for the functions that the runtime executes from the plan.
bool isSchedule(func::FuncOp function) {
  return function
      .walk([](Operation *op) {
        return isa<WeightRefOp, CacheRefOp, EmbedOp, RopeAnglesOp>(op)
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

struct ConvertFlowToLinalg
    : flow::impl::ConvertFlowToLinalgBase<ConvertFlowToLinalg> {
  using ConvertFlowToLinalgBase::ConvertFlowToLinalgBase;

  void runOnOperation() override {
    SmallVector<func::FuncOp> functions(getOperation().getOps<func::FuncOp>());
    for (func::FuncOp function : functions)
      if (!function.isExternal() && isSchedule(function))
        function.erase();
    for (ModelOp model :
         llvm::make_early_inc_range(getOperation().getOps<ModelOp>()))
      model.erase();
    functions.assign(getOperation().getOps<func::FuncOp>().begin(),
                     getOperation().getOps<func::FuncOp>().end());
    for (func::FuncOp function : functions)
      if (!function.isExternal() &&
          failed(FunctionLowering(function, {tileRows, tileColumns}, rowUnit)
                     .run()))
        return signalPassFailure();
  }
};
} // namespace
