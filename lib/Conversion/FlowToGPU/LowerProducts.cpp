// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowers products, and stages that consist of them.

#include "StepLowering.h"

#include "ExpertLaunches.h"
#include "flow/Codegen/GPU/SelectionKernels.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;

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
