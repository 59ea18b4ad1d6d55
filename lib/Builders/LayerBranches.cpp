// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The verbs that emit a whole branch of a layer.

#include "flow/Builders/GemmaLayerBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace flow;

template <typename Op> Op GemmaLayerBuilder::findOp(StringRef symbol) {
  auto found = step.getModel().lookupSymbol<Op>(symbol);
  if (!found)
    fail("there is no " + Op::getOperationName() + " @" + symbol);
  return found;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

Value GemmaLayerBuilder::splitHeads(Value x, int64_t heads, int64_t headDim) {
  auto rows = cast<RankedTensorType>(x.getType());
  int64_t count = rows.getDimSize(0);
  OpFoldResult leading =
      rows.isDynamicDim(0) ? OpFoldResult(step.rows) : b.getIndexAttr(count);
  return tensor::ExpandShapeOp::create(
      b, rows.clone({count, heads, headDim}), x,
      SmallVector<ReassociationIndices>{{0}, {1, 2}},
      SmallVector<OpFoldResult>{leading, b.getIndexAttr(heads),
                                b.getIndexAttr(headDim)});
}

KeysAndValues GemmaLayerBuilder::append(KvCacheOp cache, KeysAndValues rows) {
  KeysAndValues &known = step.written[cache.getSymName()];
  if (known.keys) {
    fail("another layer has written cache @" + cache.getSymName());
    return {};
  }
  auto rowsType = cast<RankedTensorType>(rows.keys.getType());
  SmallVector<int64_t> shape(rowsType.getShape());
  shape[0] = ShapedType::kDynamic;
  if (step.inputs.sequences)
    shape.insert(shape.begin(), ShapedType::kDynamic); // slots
  RankedTensorType type = rowsType.clone(shape, cache.getElementType());
  auto ref = CacheRefOp::create(
      b, type, type,
      SymbolRefAttr::get(step.getModel().getSymNameAttr(),
                         {FlatSymbolRefAttr::get(cache.getSymNameAttr())}));
  auto append =
      KvAppendOp::create(b, type, type, rows.keys, rows.values, ref.getKey(),
                         ref.getValue(), step.inputs.start, step.inputs.count,
                         step.inputs.sequences, step.inputs.singleRows);
  return known = {append.getNewKeyCache(), append.getNewValueCache()};
}

GemmaLayerBuilder &
GemmaLayerBuilder::selfAttention(const SelfAttention &attention) {
  if (!begin("selfAttention", "attention"))
    return *this;
  AttentionSpecAttr spec = attention.spec;
  int64_t headDim = spec.getHeadDim(), kvHeads = spec.getKvHeads();
  int64_t d = getWidth();
  if (failed)
    return *this;
  // Everything is found before anything is emitted.
  bool shared = attention.shared;
  auto find = [&](bool needed, StringRef symbol, ArrayRef<int64_t> shape) {
    return needed && !failed ? findWeight(symbol, shape) : WeightOp();
  };
  WeightOp qWeight = find(true, "q", {spec.getHeads() * headDim, d});
  WeightOp kWeight = find(!shared, "k", {kvHeads * headDim, d});
  WeightOp vWeight =
      find(!shared && !spec.getKEqV(), "v", {kvHeads * headDim, d});
  WeightOp qNorm = find(spec.getQkNorm(), "q_norm", {headDim});
  WeightOp kNorm = find(spec.getQkNorm() && !shared, "k_norm", {headDim});
  RopeTableOp table =
      failed ? RopeTableOp() : findOp<RopeTableOp>(attention.rope);
  if (table && static_cast<int64_t>(table.getHeadDim()) != headDim)
    fail("table @" + attention.rope + " turns heads of " +
         Twine(static_cast<int64_t>(table.getHeadDim())) +
         ", the attention has " + Twine(headDim));
  KvCacheOp cache;
  if (!failed && !attention.cache.empty())
    cache = findOp<KvCacheOp>(attention.cache);
  if (cache && (static_cast<int64_t>(cache.getKvHeads()) != kvHeads ||
                static_cast<int64_t>(cache.getHeadDim()) != headDim))
    fail("cache @" + attention.cache + " holds " +
         Twine(static_cast<int64_t>(cache.getKvHeads())) + " heads of " +
         Twine(static_cast<int64_t>(cache.getHeadDim())) +
         ", the attention has " + Twine(kvHeads) + " of " + Twine(headDim));
  if (shared && !failed && !step.written.lookup(attention.cache).keys)
    fail("no earlier layer has written the cache '" + attention.cache +
         "' that this one shares");
  bool isBatch = static_cast<bool>(step.inputs.sequences);
  if (isBatch && !cache)
    fail("there is no cache, by whose slots a batch keeps its sequences apart");
  bool hasSpans = attention.mask.hasSpans();
  if (hasSpans && !step.inputs.spans)
    fail("the mask has spans, which the step is not given");
  if (failed)
    return *this;

  Value angles = step.getAngles(table), rows = current;
  auto heads = [&](StringRef part, WeightOp by, int64_t count) {
    name(part);
    return splitHeads(project(rows, by), count, headDim);
  };
  auto headNorm = [&](StringRef part, WeightOp by, Value x) {
    name(part);
    return by ? norm(x, weight(by)) : x;
  };
  auto rope = [&](StringRef part, Value x) -> Value {
    name(part);
    return RopeOp::create(b, x.getType(), x, angles);
  };
  Value q = heads("q", qWeight, spec.getHeads());
  // Without a cache the keys are the step's own rows, counted from its first.
  Value position = cache ? step.inputs.start : step.zero;
  Value total = cache ? step.total : step.inputs.count;
  if (shared) {
    q = rope("q_rope", headNorm("q_norm", qNorm, q));
    tapped = step.written.lookup(attention.cache);
  } else {
    Value rawK = heads("k", kWeight, kvHeads);
    Value v = vWeight ? heads("v", vWeight, kvHeads) : rawK;
    q = rope("q_rope", headNorm("q_norm", qNorm, q));
    Value k = rope("k_rope", headNorm("k_norm", kNorm, rawK));
    if (spec.getVNorm()) {
      name("v_norm");
      v = norm(v, Value());
    }
    name("append");
    tapped = cache ? append(cache, {k, v}) : KeysAndValues{k, v};
    if (failed)
      return *this;
  }
  name("attend");
  FloatAttr cap = spec.getSoftcap().isZero()
                      ? FloatAttr()
                      : b.getF64FloatAttr(spec.getSoftcap().convertToDouble());
  Value o = AttentionOp::create(
      b, q.getType(), q, position, step.inputs.sequences, tapped.keys,
      tapped.values, total, hasSpans ? step.inputs.spans : Value(),
      attention.mask, /*blocks=*/KeyBlocksAttr(),
      b.getF64FloatAttr(spec.getEffectiveScale()), cap,
      step.inputs.singleRows ? b.getUnitAttr() : UnitAttr());
  current = tensor::CollapseShapeOp::create(
      b, o, SmallVector<ReassociationIndices>{{0}, {1, 2}});
  return *this;
}

GemmaLayerBuilder &GemmaLayerBuilder::kvTap(KeysAndValues &tap) {
  if (!begin("kvTap", "tap"))
    return *this;
  if (!tapped.keys)
    fail("kvTap before selfAttention");
  tap = tapped;
  return *this;
}

//===----------------------------------------------------------------------===//
// Feed-forward and embeddings of layers
//===----------------------------------------------------------------------===//

GemmaLayerBuilder &GemmaLayerBuilder::geGlu() {
  if (!begin("geGlu", "ffn"))
    return *this;
  int64_t d = getWidth();
  if (failed)
    return *this;
  WeightOp gateWeight = findWeight("gate", {-1, d});
  if (failed)
    return *this;
  int64_t width = gateWeight.getTensorType().getDimSize(0);
  WeightOp upWeight = findWeight("up", {width, d});
  WeightOp downWeight = failed ? WeightOp() : findWeight("down", {-1, width});
  if (failed)
    return *this;
  name("gate");
  Value gate = project(current, gateWeight);
  name("up");
  Value up = project(current, upWeight);
  name("geglu");
  Value gated = GegluOp::create(b, gate.getType(), gate, up);
  name("down");
  current = project(gated, downWeight);
  return *this;
}

GemmaLayerBuilder &GemmaLayerBuilder::perLayer() {
  if (!begin("perLayer", "per_layer"))
    return *this;
  int64_t d = getWidth();
  if (failed)
    return *this;
  HyperAttr hyper = step.getModel().getHyper();
  WeightOp gateWeight = findWeight("per_layer_gate", {-1, d});
  int64_t width = failed ? -1 : gateWeight.getTensorType().getDimSize(0);
  auto find = [&](StringRef symbol, ArrayRef<int64_t> shape) {
    return failed ? WeightOp() : findWeight(symbol, shape);
  };
  WeightOp tokens = find("per_layer_tokens", {hyper.getVocab(), width});
  WeightOp contextWeight =
      find("per_layer_context", {width, hyper.getHidden()});
  WeightOp contextNorm = find("per_layer_context_norm", {width});
  WeightOp outputWeight = find("per_layer_output", {d, width});
  WeightOp outputNorm = find("post_per_layer_norm", {d});
  if (failed)
    return *this;
  // Factors need no arithmetic of their own: a norm of `c x` with `eps` is one
  // of `x` with `eps / c^2`. So the context is not divided by sqrt(hidden), and
  // the gated rows are not divided by sqrt(2).
  auto normOf = [&](StringRef part, Value x, WeightOp by,
                    double epsFactor) -> Value {
    name(part);
    llvm::APFloat eps = hyper.getEps();
    eps.multiply(llvm::APFloat(epsFactor), llvm::APFloat::rmNearestTiesToEven);
    Value scale = weight(by);
    return RmsNormOp::create(b, x.getType(), x, scale, eps);
  };
  name("tokens");
  Value table = weight(tokens);
  Value fromTokens =
      EmbedOp::create(b, step.getRowsType({width}), step.inputs.tokens, table,
                      step.getEmbeddingScale(width));
  name("context");
  Value context = project(step.embedded, contextWeight);
  context = normOf("per_layer_context_norm", context, contextNorm,
                   static_cast<double>(hyper.getHidden()));
  name("add");
  Value both = arith::AddFOp::create(b, context, fromTokens);
  name("gate");
  Value gate = project(current, gateWeight);
  name("geglu");
  Value gated = GegluOp::create(b, gate.getType(), gate, both);
  name("output");
  current = normOf("post_per_layer_norm", project(gated, outputWeight),
                   outputNorm, 2);
  return *this;
}
