// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads schedule functions: weights, caches, buffers and the steps between.

#include "PlanBuilder.h"

#include "flow/Codegen/CPU/Kernels.h"
#include "flow/Codegen/GPU/Kernels.h"
#include "flow/Conversion/BufferTypes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;

PlanBuilder::PlanBuilder(ModelOp model) {
  HyperAttr hyper = model.getHyper();
  plan.hidden = hyper.getHidden();
  plan.vocab = hyper.getVocab();
  plan.context = hyper.getPositions();
  plan.rowTile = cpu::kRowTile;
}

std::string flow::tensorName(WeightOp weight) {
  if (std::optional<StringRef> from = weight.getFrom())
    return from->str();
  std::string name = weight.getSymName().str();
  if (auto layer = dyn_cast<LayerOp>(weight->getParentOp()))
    name = (layer.getSymName() + "." + name).str();
  return name;
}

/// The rows of a weight as its file has them.
static runtime::WeightSource sourceOf(WeightOp weight) {
  runtime::WeightSource source;
  source.name = tensorName(weight);
  if (std::optional<ArrayRef<int64_t>> part = weight.getPart()) {
    int64_t rows = weight.getTensorType().getDimSize(0);
    int64_t whole[] = {rows, rows};
    ArrayRef<int64_t> groups = weight.getGroups().value_or(whole);
    source.part = {part->front(), part->back(), rows, groups.front(),
                   groups.back()};
  }
  return source;
}

FailureOr<int64_t> PlanBuilder::weightIndex(ModuleOp module, WeightRefOp ref) {
  RankedTensorType type = ref.getType();
  std::string key;
  llvm::raw_string_ostream(key) << ref.getWeight() << ' ' << type;
  bool raw = llvm::all_of(ref->getUsers(),
                          [](Operation *op) { return isa<EmbedOp>(op); });
  if (raw)
    key += " raw";
  if (auto known = weights.find(key); known != weights.end())
    return known->second;

  runtime::PackedWeight weight;
  llvm::raw_string_ostream(weight.name) << ref.getWeight();
  weight.rows = type.getRank() == 2 ? type.getDimSize(0) : 1;
  weight.cols = type.getShape().back();
  Operation *symbol = SymbolTable::lookupSymbolIn(module, ref.getWeight());
  if (auto derived = dyn_cast<DerivedWeightOp>(symbol)) {
    weight.combine = derived.getCombine() == Combine::Concat
                         ? runtime::Combine::Concat
                         : runtime::Combine::Interleave;
    weight.group = kInterleaveRows;
    for (auto source : derived.getSources().getAsRange<FlatSymbolRefAttr>())
      weight.sources.push_back(
          sourceOf(cast<WeightOp>(SymbolTable::lookupSymbolIn(
              symbol->getParentOp(), source.getAttr()))));
  } else {
    auto stored = cast<WeightOp>(symbol);
    weight.sources.push_back(sourceOf(stored));
    weight.add = stored.getUnitOffset() ? 1.0 : 0.0;
  }
  auto scaleOf = [](ScaleKind kind) {
    return kind == ScaleKind::F16 ? runtime::ScaleType::F16
                                  : runtime::ScaleType::F32;
  };
  if (auto blocks = dyn_cast_or_null<WeightBlocksAttr>(type.getEncoding())) {
    weight.packing = runtime::Packing::WeightBlocks;
    weight.block = blocks.getBlock();
    weight.scale = scaleOf(blocks.getScale());
    weight.hasMin = blocks.getMin();
    weight.bits = blocks.getBits();
    weight.offset = weight.bits == 4 && !weight.hasMin ? 8 : 0;
  } else if (auto panels = dyn_cast_or_null<PanelsAttr>(type.getEncoding())) {
    if (panels.getKind() == PanelKind::F32) {
      weight.packing = runtime::Packing::PanelsF32;
    } else if (panels.getKind() == PanelKind::BF16) {
      weight.packing = runtime::Packing::PanelsBf16;
    } else {
      weight.packing = runtime::Packing::PanelsI8;
      weight.block = panels.getBlock();
      weight.scale = scaleOf(panels.getScale());
      weight.hasMin = panels.getMin();
      weight.bits = panels.getBits();
      weight.offset = panels.getOffset();
      weight.leading = panels.getLeading();
    }
  } else {
    weight.packing = raw ? runtime::Packing::Raw
                     : type.getElementType().isBF16()
                         ? runtime::Packing::DenseBf16
                         : runtime::Packing::Dense;
  }
  int64_t index = plan.weights.size();
  plan.weights.push_back(std::move(weight));
  weights[key] = index;
  return index;
}

/// What a buffer of `element`s, or a cache, holds.
static runtime::ElementType elementOf(Type element) {
  using runtime::ElementType;
  return element.isBF16()        ? ElementType::BF16
         : element.isF16()       ? ElementType::F16
         : element.isInteger(8)  ? ElementType::I8
         : element.isInteger(32) ? ElementType::I32
                                 : ElementType::F32;
}

FailureOr<int64_t> PlanBuilder::cacheIndex(ModuleOp module, CacheRefOp ref) {
  std::string key;
  llvm::raw_string_ostream(key) << ref.getCache();
  if (auto known = caches.find(key); known != caches.end())
    return known->second;
  auto symbol =
      cast<KvCacheOp>(SymbolTable::lookupSymbolIn(module, ref.getCache()));
  runtime::CachePlan cache;
  cache.name = key;
  cache.kvHeads = symbol.getKvHeads();
  cache.headDim = symbol.getHeadDim();
  cache.window = symbol.getRing().value_or(0);
  cache.element = elementOf(symbol.getElementType());
  int64_t index = plan.caches.size();
  plan.caches.push_back(std::move(cache));
  caches[key] = index;
  return index;
}

namespace flow {

/// Reads one schedule function from top to bottom.
class ScheduleReader {
public:
  ScheduleReader(PlanBuilder &builder, ModuleOp module, func::FuncOp schedule)
      : builder(builder), module(module), schedule(schedule) {}

  FailureOr<runtime::Schedule> read(bool logitsAll);

private:
  LogicalResult read(Operation &op);
  LogicalResult read(WeightRefOp op);
  LogicalResult read(CacheRefOp op);
  LogicalResult read(EmbedOp op);
  LogicalResult read(RopeAnglesOp op);
  LogicalResult read(func::CallOp op);
  LogicalResult read(LaunchOp op);
  LogicalResult readScalar(Operation &op);
  LogicalResult readResults(func::ReturnOp op);
  LogicalResult addArguments(Operation *op, Value operand, runtime::Step &step);

  /// True if a table says where rows stand, rather than two scalars.
  bool isBatch() {
    return schedule.getArgument(1).getType() ==
           getSequencesType(schedule.getContext());
  }
  /// Buffers for `value`, which they become.
  ArrayRef<runtime::Argument> newBuffers(Value value);
  /// A buffer of `type`, reused from one that nobody reads any more.
  int64_t newBuffer(RankedTensorType type);
  /// Gives back the buffers whose last reader is `op`.
  void releaseAfter(Operation &op);

  PlanBuilder &builder;
  ModuleOp module;
  func::FuncOp schedule;
  runtime::Schedule result;
  /// What a call is given for a value: as many arguments as it has parts.
  DenseMap<Value, SmallVector<runtime::Argument, 3>> values;
  SmallVector<int64_t> freeBuffers;
};

ArrayRef<runtime::Argument> ScheduleReader::newBuffers(Value value) {
  auto &arguments = values[value];
  for (RankedTensorType part :
       getRowBufferTypes(cast<RankedTensorType>(value.getType())))
    arguments.push_back(runtime::Argument::buffer(newBuffer(part)));
  return arguments;
}

int64_t ScheduleReader::newBuffer(RankedTensorType type) {
  runtime::ElementType element = elementOf(type.getElementType());
  std::vector<int64_t> dims;
  for (int64_t dim : type.getShape())
    dims.push_back(ShapedType::isDynamic(dim) ? -1 : dim);
  auto reusable = llvm::find_if(freeBuffers, [&](int64_t index) {
    return builder.plan.buffers[index].dims == dims &&
           builder.plan.buffers[index].element == element;
  });
  int64_t index;
  if (reusable != freeBuffers.end()) {
    index = *reusable;
    freeBuffers.erase(reusable);
  } else {
    index = builder.plan.buffers.size();
    runtime::BufferPlan buffer;
    buffer.name = (result.name + "." + std::to_string(index));
    buffer.dims = std::move(dims);
    buffer.element = element;
    builder.plan.buffers.push_back(std::move(buffer));
  }
  return index;
}

void ScheduleReader::releaseAfter(Operation &op) {
  llvm::SmallDenseSet<Value> seen;
  auto release = [&](Value value) {
    auto known = values.find(value);
    if (known == values.end() || !seen.insert(value).second ||
        known->second.front().kind != runtime::Argument::Kind::Buffer)
      return;
    bool later = llvm::any_of(value.getUsers(), [&](Operation *user) {
      return op.isBeforeInBlock(user);
    });
    if (later)
      return;
    for (const runtime::Argument &part : known->second)
      freeBuffers.push_back(part.index);
  };
  for (Value operand : op.getOperands())
    release(operand);
  for (Value result : op.getResults())
    release(result);
}

LogicalResult ScheduleReader::read(WeightRefOp op) {
  FailureOr<int64_t> index = builder.weightIndex(module, op);
  if (failed(index))
    return failure();
  // A packed weight of several parts is as many arguments.
  for (int64_t part = 0; part != builder.plan.weights[*index].parts(); ++part)
    values[op].push_back(runtime::Argument::weight(*index, part));
  return success();
}

LogicalResult ScheduleReader::read(CacheRefOp op) {
  FailureOr<int64_t> index = builder.cacheIndex(module, op);
  if (failed(index))
    return failure();
  values[op.getKey()] = {runtime::Argument::keys(*index)};
  values[op.getValue()] = {runtime::Argument::values(*index)};
  return success();
}

LogicalResult ScheduleReader::read(EmbedOp op) {
  auto table = values.find(op.getTable());
  if (table == values.end() ||
      table->second.front().kind != runtime::Argument::Kind::Weight)
    return op.emitOpError("has a table that is no weight");
  runtime::Step step;
  step.kind = runtime::StepKind::Embed;
  step.weight = table->second.front().index;
  step.scale = op.getScale().convertToDouble();
  step.buffer = newBuffers(op).front().index;
  result.steps.push_back(std::move(step));
  return success();
}

LogicalResult ScheduleReader::read(RopeAnglesOp op) {
  auto table =
      cast<RopeTableOp>(SymbolTable::lookupSymbolIn(module, op.getTable()));
  runtime::Step step;
  step.kind = runtime::StepKind::RopeAngles;
  step.theta = table.getTheta().convertToDouble();
  step.factor = table.getFactor().convertToDouble();
  step.headDim = table.getHeadDim();
  step.pairs = table.getEffectivePairs();
  step.buffer = newBuffers(op).front().index;
  result.steps.push_back(std::move(step));
  return success();
}

LogicalResult ScheduleReader::addArguments(Operation *op, Value operand,
                                           runtime::Step &step) {
  auto known = values.find(operand);
  if (known == values.end() ||
      (isa<func::CallOp>(op) && known->second.front().isOfLaunches()))
    return op->emitOpError("has an operand that a plan cannot name: ")
           << operand;
  llvm::append_range(step.args, known->second);
  return success();
}

LogicalResult ScheduleReader::read(func::CallOp op) {
  auto callee = module.lookupSymbol<func::FuncOp>(op.getCallee());
  auto ret = cast<func::ReturnOp>(callee.front().getTerminator());
  runtime::Step step;
  step.kind = runtime::StepKind::Call;
  step.function = op.getCallee().str();
  for (Value operand : op.getOperands())
    if (failed(addArguments(op, operand, step)))
      return failure();
  bool usesCache = false;
  for (auto [value, returned] :
       llvm::zip_equal(op.getResults(), ret.getOperands())) {
    // A cache comes back as itself: what it became of leads to the argument.
    Value source = returned;
    while (Operation *producer = source.getDefiningOp()) {
      if (auto fused = dyn_cast<QkvRopeAppendOp>(producer);
          fused && source != fused.getQuery())
        source = source == fused.getNewKeyCache() ? fused.getKeyCache()
                                                  : fused.getValueCache();
      else if (auto append = dyn_cast<KvAppendOp>(producer))
        source = source == append.getNewKeyCache() ? append.getKeyCache()
                                                   : append.getValueCache();
      else
        break;
    }
    auto argument = dyn_cast<BlockArgument>(source);
    if (source != returned && argument) {
      values[value] = values.lookup(op.getOperand(argument.getArgNumber()));
      usesCache = true;
      continue;
    }
    llvm::append_range(step.args, newBuffers(value));
  }
  // Layers that read the caches of others know the rows' positions too.
  usesCache |= llvm::any_of(step.args, [](const runtime::Argument &argument) {
    return argument.kind == runtime::Argument::Kind::Keys;
  });
  result.steps.push_back(std::move(step));
  if (usesCache)
    result.headBegin = result.steps.size();
  return success();
}

/// Says which of the arguments, the first ones, the kernel of `op` takes as
/// tensor maps.
static void setBoxes(ModuleOp module, LaunchOp op, runtime::Step &step) {
  Operation *kernel = SymbolTable::lookupSymbolIn(module, op.getKernel());
  auto boxes =
      kernel ? kernel->getAttrOfType<DenseI64ArrayAttr>(cuda::kBoxesAttrName)
             : DenseI64ArrayAttr();
  for (int64_t i = 0; boxes && i != boxes.size() / 2; ++i) {
    step.args[i].boxRows = boxes[2 * i];
    step.args[i].boxColumns = boxes[2 * i + 1];
  }
}

LogicalResult ScheduleReader::read(LaunchOp op) {
  runtime::Step step;
  step.kind = runtime::StepKind::Launch;
  step.function = op.getKernel().getLeafReference().str();
  step.threads = op.getThreads();
  step.sharedBytes = op.getShared();
  for (int64_t i = 0; i != 3; ++i) {
    auto [times, per] = op.getGridSize(i);
    step.grid[i] = {times, per};
  }
  for (OperandRange operands : {op.getInputs(), op.getUpdates()})
    for (Value operand : operands)
      if (failed(addArguments(op, operand, step)))
        return failure();
  setBoxes(module, op, step);
  auto cache = llvm::find_if(step.args, [](const runtime::Argument &argument) {
    return argument.kind == runtime::Argument::Kind::Keys;
  });
  bool usesCache = cache != step.args.end();
  int64_t cacheIndex = usesCache ? cache->index : 0;
  for (Value value : op.getNewResults())
    llvm::append_range(step.args, newBuffers(value));
  for (auto [value, update] : llvm::zip_equal(
           op.getResults().take_back(op.getUpdates().size()), op.getUpdates()))
    values[value] = values.lookup(update);
  if (op.getStart()) {
    if (op.getStart() != schedule.getArgument(1) ||
        op.getRows() != schedule.getArgument(2))
      return op.emitOpError("has another step than its schedule");
    step.args.push_back(runtime::Argument::stepTable());
  }
  if (op.getCapacity()) {
    if (!usesCache)
      return op.emitOpError("asks for the capacity of no cache");
    step.args.push_back(runtime::Argument::capacity(cacheIndex));
  }
  result.steps.push_back(std::move(step));
  if (usesCache)
    result.headBegin = result.steps.size();
  return success();
}

LogicalResult ScheduleReader::readScalar(Operation &op) {
  using runtime::Scalar;
  auto argument = [&](unsigned number) {
    return Value(schedule.getArgument(number));
  };
  if (auto dim = dyn_cast<tensor::DimOp>(op);
      dim && dim.getSource() == argument(0)) {
    values[dim] = {runtime::Argument::ofScalar(Scalar::Rows)};
    return success();
  }
  if (auto add = dyn_cast<arith::AddIOp>(op); add && !isBatch() &&
                                              add.getLhs() == argument(1) &&
                                              add.getRhs() == argument(2)) {
    values[add] = {runtime::Argument::ofScalar(Scalar::Total)};
    return success();
  }
  // Other scalar arithmetic is legal as long as no call reads it.
  return success();
}

LogicalResult ScheduleReader::readResults(func::ReturnOp ret) {
  SmallVector<int64_t> buffers;
  for (Value operand : ret.getOperands()) {
    auto known = values.find(operand);
    if (known != values.end() && known->second.size() == 1 &&
        known->second.front().kind == runtime::Argument::Kind::Buffer)
      buffers.push_back(known->second.front().index);
  }
  if (buffers.size() != ret.getNumOperands() || buffers.empty() ||
      buffers.size() > 2)
    return ret.emitOpError("of a schedule must return one buffer of logits, or "
                           "two of candidates");
  if (buffers.size() == 2)
    result.candidates = {buffers[0], buffers[1]};
  else
    result.logits = buffers[0];
  return success();
}

LogicalResult ScheduleReader::read(Operation &op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<WeightRefOp, CacheRefOp, EmbedOp, RopeAnglesOp, func::CallOp,
            LaunchOp>([&](auto typed) { return read(typed); })
      .Case<arith::ConstantOp, arith::AddIOp, arith::SubIOp, tensor::DimOp>(
          [&](auto) { return readScalar(op); })
      .Case([&](func::ReturnOp ret) { return readResults(ret); })
      .Default([](Operation *other) {
        return other->emitOpError("has no place in a schedule");
      });
}

FailureOr<runtime::Schedule> ScheduleReader::read(bool logitsAll) {
  auto tokens = cast<RankedTensorType>(schedule.getArgument(0).getType());
  result.name = schedule.getName().str();
  result.rows = tokens.isDynamicDim(0) ? 0 : tokens.getDimSize(0);
  result.logitsAll = logitsAll;
  values[schedule.getArgument(0)] = {runtime::Argument::tokens()};
  if (isBatch()) {
    values[schedule.getArgument(1)] = {runtime::Argument::sequences()};
  } else if (llvm::is_contained({3, 4}, schedule.getNumArguments())) {
    values[schedule.getArgument(1)] = {
        runtime::Argument::ofScalar(runtime::Scalar::Start)};
    values[schedule.getArgument(2)] = {
        runtime::Argument::ofScalar(runtime::Scalar::Count)};
    if (schedule.getNumArguments() == 4)
      values[schedule.getArgument(3)] = {runtime::Argument::spans()};
  } else {
    return schedule.emitOpError("expects tokens, start, count and, of a mask "
                                "with spans, those, got ")
           << schedule.getNumArguments() << " arguments";
  }
  for (Operation &op : schedule.front()) {
    if (failed(read(op)))
      return failure();
    releaseAfter(op);
  }
  return std::move(result);
}

} // namespace flow

LogicalResult PlanBuilder::addSchedule(ModuleOp module, func::FuncOp schedule,
                                       StringRef name, bool logitsAll) {
  FailureOr<runtime::Schedule> read =
      ScheduleReader(*this, module, schedule).read(logitsAll);
  if (failed(read))
    return failure();
  read->name = name.str();
  plan.schedules.push_back(std::move(*read));
  return success();
}
