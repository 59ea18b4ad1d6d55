// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowers the stages of a step to kernels and their launches.

#include "flow/Conversion/Passes.h"

#include "ExpertLaunches.h"
#include "flow/Codegen/GPU/Kernels.h"
#include "flow/Codegen/GPU/SelectionKernels.h"
#include "flow/IR/FlowOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;

namespace flow {
#define GEN_PASS_DEF_CONVERTFLOWTOGPU
#include "flow/Conversion/Passes.h.inc"
} // namespace flow

namespace {

/// Heads that share a KV head, if attention is to make them.
constexpr int64_t kMostHeadsOfGroup = 16;

/// The module of all kernels.
constexpr llvm::StringLiteral kKernels = "kernels";

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// Lowers one step in place.
class StepLowering {
public:
  StepLowering(func::FuncOp step, const cuda::KernelTarget &target)
      : step(step), target(target), b(step.getContext()) {}

  LogicalResult run();

private:
  LogicalResult lower(Operation &op);
  LogicalResult lower(WeightRefOp op);
  LogicalResult lower(CacheRefOp op);
  LogicalResult lower(EmbedOp op);
  LogicalResult lower(RopeAnglesOp op);
  LogicalResult lower(RmsNormOp op);
  LogicalResult lower(AddRmsNormOp op);
  LogicalResult lower(LinearOp op);
  LogicalResult lower(LmHeadOp op);
  LogicalResult lower(LmHeadTopKOp op);
  LogicalResult lower(GatedMlpOp op);
  LogicalResult lower(RouterOp op);
  LogicalResult lower(GroupedMlpOp op);
  LogicalResult lower(QkvRopeAppendOp op);
  LogicalResult lower(AttentionOp op);
  LogicalResult lower(QuantizeRowsOp op);
  LogicalResult lower(arith::AddFOp op);
  LogicalResult lower(PerLayerGateOp op);
  LogicalResult lower(RopeOp op);
  LogicalResult lower(tensor::ExpandShapeOp op);
  LogicalResult lower(tensor::CollapseShapeOp op);
  LogicalResult lower(tensor::ExtractSliceOp op);
  LogicalResult lower(func::ReturnOp op);

  /// What became of `value`.
  Value now(Value value) {
    auto found = lowered.find(value);
    return found == lowered.end() ? value : found->second;
  }
  Type bf16() { return b.getBF16Type(); }
  Type f32() { return b.getF32Type(); }
  /// Rows like those of `rows`, of another width and type.
  RankedTensorType rowsLike(Value rows, int64_t width, Type element) {
    return RankedTensorType::get({typeOf(rows).getDimSize(0), width}, element);
  }
  Value weight(WeightRefOp ref, Type element);
  /// The same of a weight that keeps the layout it has.
  Value weight(WeightRefOp ref, RankedTensorType type);
  /// The weight of a product, as bf16 or in blocks; null after an error.
  Value productWeight(Operation *op, Value operand);
  FailureOr<cuda::RowNorm> normOf(Operation *op, RankedTensorType result,
                                  const APFloat &eps, bool hasWeight);
  bool isBf16(RankedTensorType type) {
    return isa_and_nonnull<Bf16RowsAttr>(type.getEncoding());
  }
  /// A sum and its norm: the kernel, what it is given, the sum.
  struct SumOfRow {
    cuda::SumNorm norm;
    SmallVector<Value> inputs;
    Value sum;
  };
  /// `rows` by `weight`; null after an error. With `made`, the product makes
  /// the row that it reads, and `rows` are as many.
  Value product(Operation *op, Value rows, Value weight,
                cuda::Epilogue epilogue, double cap = 0,
                const SumOfRow *made = nullptr);
  /// The logits of `rows`; null after an error.
  Value logits(Operation *op, Value rows, Value table,
               std::optional<APFloat> cap);
  FailureOr<SumOfRow> sumOf(AddRmsNormOp op);
  FailureOr<SumOfRow> sumOf(RmsNormOp op);
  SumOfRow sumOf(arith::AddFOp op);
  /// The op whose norm or sum, normed or rounded, is `rows`, if the product
  /// that reads them makes them itself.
  Operation *fusedSum(Value rows);
  /// The norm of `branch`, if a sum makes it on its way.
  RmsNormOp fusedBranch(Value branch);
  /// The two norms that `branch` adds, if the sum that it joins makes them.
  std::optional<std::array<RmsNormOp, 2>> fusedParts(Value branch);
  /// Whether a product makes the sum.
  bool isMadeByProduct(arith::AddFOp op);
  /// Whether who reads the norm makes it.
  bool isFused(RmsNormOp op);
  /// The embedding of a layer, a sum, if the product behind its gate makes it.
  arith::AddFOp fusedEmbedding(PerLayerGateOp op);
  /// `inputs` of f32 element by element.
  FailureOr<Value> elements(Operation *op, cuda::ElementOp kind,
                            ArrayRef<Value> inputs);
  /// Gives `attention` the spans of `op`, if it has any.
  LogicalResult setSpans(AttentionOp op, cuda::Attention &attention);
  /// Whether `op` reads where the step's rows stand from its own arguments.
  LogicalResult checkStep(Operation *op, Value start, Value rows);

  struct Arguments {
    SmallVector<Value> inputs, updates;
    bool readsStep = false, readsCapacity = false;
  };
  /// Heads that a kernel of attention makes. Without an op that appends, they
  /// are queries alone.
  struct FusedHeads {
    QkvRopeAppendOp append;
    cuda::HeadRows rows;
    Arguments arguments;
  };
  /// The attention whose kernel makes the heads of `op` itself, if one does.
  AttentionOp fusedAttention(QkvRopeAppendOp op);
  AttentionOp fusedAttention(RopeOp op);
  ResultRange launch(Location loc, const cuda::KernelLaunch &kernel,
                     const Arguments &arguments, TypeRange results);
  /// What launches kernels for `op`.
  auto launcherOf(Operation *op) {
    return [this, op](const cuda::KernelLaunch &kernel, ArrayRef<Value> inputs,
                      bool readsStep, TypeRange types) {
      Arguments arguments;
      llvm::append_range(arguments.inputs, inputs);
      arguments.readsStep = readsStep;
      return launch(op->getLoc(), kernel, arguments, types);
    };
  }

  func::FuncOp step;
  const cuda::KernelTarget &target;
  OpBuilder b;
  DenseMap<Value, Value> lowered;
  DenseMap<Operation *, FusedHeads> headsOfAttention;
  DenseMap<std::pair<Attribute, Type>, Value> weights;
  SmallVector<Operation *> replaced;
};

} // namespace

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

/// How a weight of `type` lies in the memory of a device.
static cuda::WeightFormat formatOf(RankedTensorType type) {
  auto blocks = dyn_cast_or_null<WeightBlocksAttr>(type.getEncoding());
  if (!blocks)
    return {};
  return {blocks.getBits(), blocks.getBlock(),
          blocks.getScale() == ScaleKind::F32, blocks.getMin()};
}

Value StepLowering::productWeight(Operation *op, Value operand) {
  auto ref = operand.getDefiningOp<WeightRefOp>();
  auto panels = ref ? dyn_cast_or_null<PanelsAttr>(ref.getType().getEncoding())
                    : PanelsAttr();
  if (panels && panels.getKind() == PanelKind::BF16)
    return weight(ref, bf16());
  if (ref && isa_and_nonnull<WeightBlocksAttr>(ref.getType().getEncoding()))
    return weight(ref, ref.getType());
  op->emitOpError("has a product that no kernel computes: a weight must be in "
                  "bf16 panels or in blocks, got ")
      << operand.getType();
  return {};
}

Value StepLowering::product(Operation *op, Value rows, Value weight,
                            cuda::Epilogue epilogue, double cap,
                            const SumOfRow *made) {
  cuda::Product product;
  product.columns = typeOf(weight).getDimSize(0);
  product.depth = typeOf(weight).getDimSize(1);
  product.epilogue = epilogue;
  product.cap = cap;
  product.weights = formatOf(typeOf(weight));
  bool isGated = epilogue == cuda::Epilogue::Gated;
  if (product.depth % 8 != 0 || product.columns % (isGated ? 64 : 8) != 0) {
    op->emitOpError("multiplies by ")
        << weight.getType() << ", for which there are no tiles";
    return {};
  }
  RankedTensorType type =
      rowsLike(rows, isGated ? product.columns / 2 : product.columns,
               isGated || epilogue == cuda::Epilogue::Bf16 ? bf16() : f32());
  Arguments arguments;
  FailureOr<SumOfRow> sum;
  if (Operation *fused = fusedSum(rows)) {
    sum = llvm::TypeSwitch<Operation *, FailureOr<SumOfRow>>(fused)
              .Case<AddRmsNormOp, RmsNormOp, arith::AddFOp>(
                  [&](auto typed) { return sumOf(typed); });
    if (failed(sum))
      return {};
    made = &*sum;
  }
  if (made) {
    arguments.inputs = made->inputs;
    arguments.inputs.push_back(weight);
    SmallVector<Type> types;
    if (made->norm.storesSum())
      types.push_back(made->sum.getType());
    types.push_back(type);
    ResultRange launched = launch(
        op->getLoc(), buildNormedVectorProduct(b, target, product, made->norm),
        arguments, types);
    if (made->norm.storesSum())
      lowered[made->sum] = launched.front();
    return launched.back();
  }
  arguments.inputs = {now(rows), weight};
  if (typeOf(rows).getDimSize(0) == 1)
    return launch(op->getLoc(), buildVectorProduct(b, target, product),
                  arguments, type)[0];
  arguments.readsStep = true;
  // What tensor maps bring has to be bf16 already.
  bool byWarpgroups = target.hasWarpgroups && !product.weights.isBlocks();
  return launch(op->getLoc(),
                byWarpgroups ? buildWarpgroupProduct(b, target, product)
                             : buildRowsProduct(b, target, product),
                arguments, type)[0];
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

/// Of the summands of `op`, the one that may be normed on the way.
static Value branchOf(arith::AddFOp op) {
  bool isLeft = op.getLhs().getDefiningOp<RmsNormOp>() &&
                !op.getRhs().getDefiningOp<RmsNormOp>();
  return isLeft ? op.getLhs() : op.getRhs();
}

/// The norm of the queries that `op` turns, if there is one that attention can
/// make.
static RmsNormOp queryNorm(RopeOp op) {
  auto norm = op.getInput().getDefiningOp<RmsNormOp>();
  return norm && norm.getWeight() && norm->hasOneUse() &&
                 !typeOf(norm.getResult()).getEncoding()
             ? norm
             : RmsNormOp();
}

RmsNormOp StepLowering::fusedBranch(Value branch) {
  auto norm = branch.getDefiningOp<RmsNormOp>();
  if (!norm || !norm.getWeight() || !branch.hasOneUse() ||
      typeOf(branch).getRank() != 2 || typeOf(branch).getEncoding())
    return {};
  Operation *user = *branch.user_begin();
  if (auto sum = dyn_cast<AddRmsNormOp>(user))
    return sum.getBranch() == branch && !sum.getBranchWeight() ? norm
                                                               : RmsNormOp();
  auto sum = dyn_cast<arith::AddFOp>(user);
  return sum && branchOf(sum) == branch && isMadeByProduct(sum) ? norm
                                                                : RmsNormOp();
}

std::optional<std::array<RmsNormOp, 2>> StepLowering::fusedParts(Value branch) {
  auto add = branch.getDefiningOp<arith::AddFOp>();
  if (!add || !branch.hasOneUse())
    return std::nullopt;
  auto sum = dyn_cast<AddRmsNormOp>(*branch.user_begin());
  auto first = add.getLhs().getDefiningOp<RmsNormOp>();
  auto second = add.getRhs().getDefiningOp<RmsNormOp>();
  if (!sum || sum.getBranch() != branch || typeOf(branch).getRank() != 2 ||
      typeOf(branch).getDimSize(0) != 1 || !first || !second ||
      first.getEps() != second.getEps())
    return std::nullopt;
  for (RmsNormOp part : {first, second})
    if (!part.getWeight() || !part->hasOneUse() ||
        typeOf(part.getResult()).getEncoding())
      return std::nullopt;
  return {{first, second}};
}

arith::AddFOp StepLowering::fusedEmbedding(PerLayerGateOp op) {
  auto sum = op.getEmbedded().getDefiningOp<arith::AddFOp>();
  return sum && sum->hasOneUse() && typeOf(op.getEmbedded()).getDimSize(0) == 1
             ? sum
             : arith::AddFOp();
}

bool StepLowering::isMadeByProduct(arith::AddFOp op) {
  return llvm::any_of(op->getUsers(), [&](Operation *reader) {
    if (auto gate = dyn_cast<PerLayerGateOp>(reader))
      return fusedEmbedding(gate) == op;
    return isa<QuantizeRowsOp>(reader) && fusedSum(reader->getResult(0)) == op;
  });
}

bool StepLowering::isFused(RmsNormOp op) {
  Value result = op.getResult();
  if (fusedBranch(result) || fusedSum(result))
    return true;
  if (!result.hasOneUse())
    return false;
  Operation *user = *result.user_begin();
  if (auto rope = dyn_cast<RopeOp>(user))
    return queryNorm(rope) == op && fusedAttention(rope);
  auto add = dyn_cast<arith::AddFOp>(user);
  return add && fusedParts(add.getResult());
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

Operation *StepLowering::fusedSum(Value rows) {
  RankedTensorType type = typeOf(rows);
  if (type.getRank() != 2 || type.getDimSize(0) != 1 || !isBf16(type) ||
      !rows.hasOneUse() || type.getDimSize(1) % 8 != 0)
    return nullptr;
  Operation *user = *rows.user_begin();
  // Of a sum that is normed several times, the router's norm. Other products
  // read norms that come with their sum, but for a step's first one.
  if (auto norm = rows.getDefiningOp<RmsNormOp>())
    return norm.getWeight() && isa<RouterOp>(user) ? norm.getOperation()
                                                   : nullptr;
  Value sum;
  if (auto norm = rows.getDefiningOp<AddRmsNormOp>())
    sum = norm.getSum();
  else if (auto rounded = rows.getDefiningOp<QuantizeRowsOp>())
    sum = rounded.getInput();
  if (!sum ||
      !isa_and_nonnull<AddRmsNormOp, arith::AddFOp>(sum.getDefiningOp()))
    return nullptr;
  // The head has so many CTAs that each would do more for the norm than for its
  // own rows.
  bool isInput =
      llvm::TypeSwitch<Operation *, bool>(user)
          .Case<LinearOp, GatedMlpOp, QkvRopeAppendOp, PerLayerGateOp>(
              [&](auto op) { return op.getInput() == rows; })
          .Default(false);
  // The product makes the sum too, for those who read it after that.
  bool isFirst = llvm::all_of(sum.getUsers(), [&](Operation *reader) {
    return reader == rows.getDefiningOp() || user->isBeforeInBlock(reader);
  });
  return isInput && isFirst ? sum.getDefiningOp() : nullptr;
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

LogicalResult StepLowering::lower(LinearOp op) {
  Value weight = productWeight(op, op.getWeight());
  if (!weight)
    return failure();
  lowered[op] = product(op, op.getInput(), weight, cuda::Epilogue::F32);
  return success(bool(lowered[op]));
}

Value StepLowering::logits(Operation *op, Value rows, Value table,
                           std::optional<APFloat> cap) {
  Value weight = productWeight(op, table);
  if (!weight)
    return {};
  return product(op, rows, weight,
                 cap ? cuda::Epilogue::Softcap : cuda::Epilogue::F32,
                 cap ? cap->convertToDouble() : 0);
}

LogicalResult StepLowering::lower(LmHeadOp op) {
  lowered[op] = logits(op, op.getInput(), op.getTable(), op.getSoftcap());
  return success(bool(lowered[op]));
}

LogicalResult StepLowering::lower(LmHeadTopKOp op) {
  RankedTensorType values = typeOf(op.getValues());
  cuda::TopK choice{typeOf(op.getTable()).getDimSize(0), values.getDimSize(1)};
  if (values.getDimSize(0) != 1 || choice.count > cuda::kMostChosen)
    return op.emitOpError("gives ")
           << values << ", expected one row of at most " << cuda::kMostChosen
           << " candidates";
  Value row = logits(op, op.getInput(), op.getTable(), op.getSoftcap());
  if (!row)
    return failure();
  SmallVector<Value> inputs{row};
  for (const auto &[kernel, ints] : buildTopK(b, target, choice).steps) {
    Arguments arguments;
    arguments.inputs = inputs;
    if (ints == 0) {
      ResultRange best =
          launch(op.getLoc(), kernel, arguments, op.getResultTypes());
      lowered[op.getValues()] = best[0];
      lowered[op.getIndices()] = best[1];
      break;
    }
    Value left = launch(op.getLoc(), kernel, arguments,
                        RankedTensorType::get({ints}, b.getI32Type()))[0];
    inputs = {left, row};
  }
  return success();
}

LogicalResult StepLowering::lower(GatedMlpOp op) {
  Value gateUp = productWeight(op, op.getGateUp());
  Value down = gateUp ? productWeight(op, op.getDown()) : Value();
  if (!down)
    return failure();
  Value hidden = product(op, op.getInput(), gateUp, cuda::Epilogue::Gated);
  if (!hidden)
    return failure();
  lowered[op] = product(op, hidden, down, cuda::Epilogue::F32);
  return success(bool(lowered[op]));
}

LogicalResult StepLowering::lower(RouterOp op) {
  Value weight = productWeight(op, op.getWeight());
  Value logits = weight
                     ? product(op, op.getInput(), weight, cuda::Epilogue::F32)
                     : Value();
  if (!logits)
    return failure();
  FailureOr<ResultRange> routed = launchRouter(
      b, target, op, logits, now(op.getExpertScale()), launcherOf(op));
  if (failed(routed))
    return failure();
  for (auto [old, made] : llvm::zip(op->getResults(), *routed))
    lowered[old] = made;
  return success();
}

LogicalResult StepLowering::lower(GroupedMlpOp op) {
  Value gateUp = productWeight(op, op.getGateUp());
  Value down = gateUp ? productWeight(op, op.getDown()) : Value();
  if (!down)
    return failure();
  FailureOr<Value> sum =
      launchExperts(b, target, op,
                    {now(op.getInput()), now(op.getExperts()),
                     now(op.getShares()), gateUp, down},
                    launcherOf(op));
  lowered[op] = sum.value_or(Value());
  return sum;
}

AttentionOp StepLowering::fusedAttention(QkvRopeAppendOp op) {
  Value query = op.getQuery();
  RankedTensorType type = typeOf(query);
  int64_t kvHeads = typeOf(op.getKeyCache()).getDimSize(1);
  if (type.getDimSize(0) != 1 || !query.hasOneUse() ||
      type.getDimSize(1) > kMostHeadsOfGroup * kvHeads)
    return {};
  auto attention = dyn_cast<AttentionOp>(*query.user_begin());
  if (!attention || attention.getQuery() != query ||
      attention.getKey() != op.getNewKeyCache() ||
      attention.getValue() != op.getNewValueCache())
    return {};
  // The caches are written by attention, for those who read them after it.
  for (Value cache : {op.getNewKeyCache(), op.getNewValueCache()})
    for (Operation *reader : cache.getUsers())
      if (reader != attention && !attention->isBeforeInBlock(reader))
        return {};
  return attention;
}

AttentionOp StepLowering::fusedAttention(RopeOp op) {
  Value query = op.getResult();
  if (typeOf(query).getDimSize(0) != 1 || !query.hasOneUse())
    return {};
  auto attention = dyn_cast<AttentionOp>(*query.user_begin());
  bool isFused =
      attention && attention.getQuery() == query &&
      typeOf(query).getDimSize(1) <=
          kMostHeadsOfGroup * typeOf(attention.getKey()).getDimSize(1);
  return isFused ? attention : AttentionOp();
}

LogicalResult StepLowering::lower(QkvRopeAppendOp op) {
  if (op.getSequences())
    return op.emitOpError("appends to several sequences, which no kernel does");
  Value weight = productWeight(op, op.getWeight());
  if (!weight || failed(checkStep(op, op.getStart(), op.getCount())))
    return failure();
  RankedTensorType query = typeOf(op.getQuery());
  RankedTensorType cache = typeOf(op.getKeyCache());
  cuda::HeadRows heads;
  heads.heads = query.getDimSize(1);
  heads.kvHeads = cache.getDimSize(1);
  heads.headDim = query.getDimSize(2);
  heads.eps = op.getEps().convertToDouble();
  heads.hasNorms = bool(op.getQNorm());
  heads.hasValueNorm = op.getVNorm();
  heads.keysAreValues = op.getKEqV();
  Value columns = product(op, op.getInput(), weight, cuda::Epilogue::F32);
  if (!columns)
    return failure();
  Arguments arguments;
  arguments.inputs = {columns};
  if (heads.hasNorms)
    arguments.inputs.append({now(op.getQNorm()), now(op.getKNorm())});
  arguments.inputs.push_back(now(op.getAngles()));
  arguments.updates = {now(op.getKeyCache()), now(op.getValueCache())};
  arguments.readsStep = arguments.readsCapacity = true;
  if (AttentionOp attention = fusedAttention(op)) {
    headsOfAttention[attention] = {op, heads, std::move(arguments)};
    return success();
  }
  ResultRange launched =
      launch(op.getLoc(), buildHeadRows(b, target, heads), arguments,
             RankedTensorType::get(query.getShape(), bf16()));
  lowered[op.getQuery()] = launched[0];
  lowered[op.getNewKeyCache()] = launched[1];
  lowered[op.getNewValueCache()] = launched[2];
  return success();
}

LogicalResult StepLowering::setSpans(AttentionOp op,
                                     cuda::Attention &attention) {
  if (!op.getSpans())
    return success();
  SpanRule rule = op.getMask().getSpans();
  // A single row is the last of its step: nothing is behind it, and what is in
  // front of it is seen but for what a window hides.
  if (typeOf(op.getQuery()).getDimSize(0) == 1) {
    if (rule == SpanRule::Windowed || op.getMask().getWindow() == 0)
      return success();
    return op.emitOpError("attends from one row by a mask with spans, which no "
                          "kernel does");
  }
  // Their number is in the step's table.
  if (step.getNumArguments() != 4 || op.getSpans() != step.getArgument(3))
    return op.emitOpError("has other spans than those of its step");
  attention.spans = rule == SpanRule::Free ? cuda::Attention::Spans::Free
                                           : cuda::Attention::Spans::Windowed;
  return success();
}

LogicalResult StepLowering::lower(AttentionOp op) {
  RankedTensorType query = typeOf(op.getQuery());
  MaskAttr mask = op.getMask();
  cuda::Attention attention;
  attention.heads = query.getDimSize(1);
  attention.kvHeads = typeOf(op.getKey()).getDimSize(1);
  attention.headDim = query.getDimSize(2);
  attention.window = mask.getWindow();
  attention.scale = op.getScale().convertToDouble();
  if (std::optional<APFloat> cap = op.getSoftcap())
    attention.softcap = cap->convertToDouble();
  if (op.getSequences() || mask.getPattern() != MaskPattern::Causal)
    return op.emitOpError("attends by a mask that no kernel has: it must be "
                          "causal, of one sequence");
  if (failed(setSpans(op, attention)))
    return failure();
  if (!llvm::is_contained({64, 128, 256, 512}, attention.headDim))
    return op.emitOpError("has heads of ")
           << attention.headDim << ", expected 64, 128, 256 or 512";
  RankedTensorType type =
      rowsLike(op.getQuery(), attention.heads * attention.headDim, bf16());
  auto typesOf = [&](const cuda::SplitAttention &split) {
    return SmallVector<Type>{
        RankedTensorType::get({split.workspaceFloats}, f32()), type};
  };
  if (auto fused = headsOfAttention.find(op); fused != headsOfAttention.end()) {
    auto &[append, heads, arguments] = fused->second;
    if (!append)
      arguments.inputs.append({now(op.getKey()), now(op.getValue())});
    cuda::SplitAttention split =
        buildDecodeAttention(b, target, attention, heads);
    ResultRange launched =
        launch(op.getLoc(), split.launch, arguments, typesOf(split));
    lowered[op] = launched[1];
    if (append) {
      lowered[append.getNewKeyCache()] = launched[2];
      lowered[append.getNewValueCache()] = launched[3];
    }
    return success();
  }
  Arguments arguments;
  arguments.inputs = {now(op.getQuery()), now(op.getKey()), now(op.getValue())};
  if (attention.spans != cuda::Attention::Spans::None)
    arguments.inputs.push_back(op.getSpans());
  arguments.readsStep = arguments.readsCapacity = true;
  if (query.getDimSize(0) != 1) {
    if (op.getStart() != step.getArgument(1))
      return op.emitOpError("attends from other rows than those of its step");
    // Sums of larger heads have no place beside the scores of 64 rows.
    if (target.hasWarpgroups && attention.headDim <= 256) {
      // Tensor maps come first.
      std::rotate(arguments.inputs.begin(), arguments.inputs.begin() + 1,
                  arguments.inputs.begin() + 3);
      lowered[op] =
          launch(op.getLoc(), buildWarpgroupAttention(b, target, attention),
                 arguments, type)[0];
      return success();
    }
    lowered[op] = launch(op.getLoc(), buildRowsAttention(b, target, attention),
                         arguments, type)[0];
    return success();
  }
  cuda::SplitAttention split = buildSplitAttention(b, target, attention);
  lowered[op] = launch(op.getLoc(), split.launch, arguments, typesOf(split))[1];
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

LogicalResult StepLowering::lower(PerLayerGateOp op) {
  Value gate = productWeight(op, op.getGate());
  Value output = gate ? productWeight(op, op.getOutput()) : Value();
  if (!output)
    return failure();
  Value gates = product(op, op.getInput(), gate, cuda::Epilogue::F32);
  if (!gates)
    return failure();
  if (arith::AddFOp embedding = fusedEmbedding(op)) {
    SumOfRow made = sumOf(embedding);
    made.norm.hasGate = true;
    made.inputs.push_back(gates);
    lowered[op] =
        product(op, gates, output, cuda::Epilogue::F32, /*cap=*/0, &made);
    return success(bool(lowered[op]));
  }
  FailureOr<Value> hidden =
      elements(op, cuda::ElementOp::Gate, {gates, now(op.getEmbedded())});
  if (failed(hidden))
    return failure();
  lowered[op] = product(op, *hidden, output, cuda::Epilogue::F32);
  return success(bool(lowered[op]));
}

LogicalResult StepLowering::lower(RopeOp op) {
  RankedTensorType type = typeOf(op.getResult());
  cuda::HeadRows heads;
  heads.heads = type.getDimSize(1);
  heads.headDim = type.getDimSize(2);
  Arguments arguments;
  if (AttentionOp attention = fusedAttention(op)) {
    RmsNormOp norm = queryNorm(op);
    arguments.inputs = {now(norm ? norm.getInput() : op.getInput())};
    if (norm) {
      heads.hasNorms = true;
      heads.eps = norm.getEps().convertToDouble();
      arguments.inputs.push_back(now(norm.getWeight()));
    }
    arguments.inputs.push_back(now(op.getAngles()));
    arguments.readsStep = arguments.readsCapacity = true;
    headsOfAttention[attention] = {{}, heads, std::move(arguments)};
    return success();
  }
  arguments.inputs = {now(op.getInput()), now(op.getAngles())};
  lowered[op] = launch(op.getLoc(), buildHeadRows(b, target, heads), arguments,
                       RankedTensorType::get(type.getShape(), bf16()))[0];
  return success();
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

namespace {
struct ConvertFlowToGpu : flow::impl::ConvertFlowToGpuBase<ConvertFlowToGpu> {
  using ConvertFlowToGpuBase::ConvertFlowToGpuBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kernels = module.lookupSymbol<gpu::GPUModuleOp>(kKernels);
    if (!kernels) {
      OpBuilder b(&getContext());
      b.setInsertionPointToEnd(module.getBody());
      kernels = gpu::GPUModuleOp::create(b, module.getLoc(), kKernels);
      module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(),
                      b.getUnitAttr());
    }
    cuda::KernelTarget target{kernels, sharedMemory, warpgroups};
    for (auto function : module.getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      if (!llvm::is_contained({3, 4}, function.getNumArguments()) ||
          !function.getBody().hasOneBlock()) {
        function.emitOpError("is no step: it must have tokens, start and rows, "
                             "and may have spans");
        return signalPassFailure();
      }
      if (failed(StepLowering(function, target).run()))
        return signalPassFailure();
    }
  }
};
} // namespace
