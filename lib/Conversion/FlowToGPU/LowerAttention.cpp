// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowers attention, its heads and what is appended to caches.

#include "StepLowering.h"

using namespace mlir;
using namespace flow;

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
