// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Replaces layer recipes by their stages, for one phase.

#include "flow/IR/FlowOps.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <cmath>

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_EXPANDLAYERS
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

namespace {

enum class Logits { Last, All, None };

/// The weight @symbol of a model or layer, or null.
WeightOp lookupWeight(Operation *parent, StringRef symbol) {
  return dyn_cast_or_null<WeightOp>(mlir::SymbolTable::lookupSymbolIn(
      parent, StringAttr::get(parent->getContext(), symbol)));
}

/// Builds the function of one step.
class StepBuilder {
public:
  StepBuilder(ModelOp model, bool decode, Logits logits)
      : model(model), decode(decode), logits(logits),
        b(model.getLoc(), model->getContext()),
        hidden(model.getHyper().getHidden()), eps(model.getHyper().getEps()) {}

  void build();

private:
  RankedTensorType rowsType(ArrayRef<int64_t> inner) {
    SmallVector<int64_t> shape{decode ? 1 : ShapedType::kDynamic};
    shape.append(inner.begin(), inner.end());
    return RankedTensorType::get(shape, b.getF32Type());
  }
  void name(const Twine &what) {
    b.setLoc(NameLoc::get(b.getStringAttr(what)));
  }

  Value weight(Operation *parent, StringRef symbol);
  Value norm(Value x, Value scale) {
    return RmsNormOp::create(b, x.getType(), x, scale, eps);
  }
  Value linear(Value x, Value w) {
    int64_t n = cast<RankedTensorType>(w.getType()).getDimSize(0);
    return LinearOp::create(b, rowsType({n}), x, w);
  }
  Value splitHeads(Value x, int64_t heads, int64_t headDim);
  Value joinHeads(Value x);
  Value layer(LayerOp layer, Value x);
  Value attention(LayerOp layer, Value normed);
  Value attend(LayerOp layer, Value q, Value position, Value k, Value v,
               Value keys);
  Value mlp(LayerOp layer, Value normed);
  Value feedForward(LayerOp layer, Value stream);
  Value experts(LayerOp layer, Value stream);
  /// sqrt(width), rounded as the recipe says; bf16 keeps 8 bits.
  llvm::APFloat embeddingScale(int64_t width);
  Value perLayer(LayerOp layer, Value stream);
  Value residual(LayerOp layer, StringRef part, Value stream, Value branch,
                 StringRef postNorm);
  Value head(Value x);

  ModelOp model;
  bool decode;
  Logits logits;
  ImplicitLocOpBuilder b;
  int64_t hidden;
  llvm::APFloat eps;

  Value zero, start, count, rows, total;
  /// Tokens, and their scaled embeddings.
  Value tokens, embedded;
  llvm::StringMap<Value> angles;
  /// By cache: its keys and values after the layer that writes it.
  llvm::StringMap<std::pair<Value, Value>> appended;
  /// Prefix of the names of the layer at hand.
  std::string prefix;
};

Value StepBuilder::weight(Operation *parent, StringRef symbol) {
  WeightOp op = lookupWeight(parent, symbol);
  SmallVector<FlatSymbolRefAttr> path;
  if (auto layer = dyn_cast<LayerOp>(parent))
    path.push_back(FlatSymbolRefAttr::get(layer.getSymNameAttr()));
  path.push_back(FlatSymbolRefAttr::get(op.getSymNameAttr()));
  return WeightRefOp::create(b, op.getTensorType(),
                             SymbolRefAttr::get(model.getSymNameAttr(), path));
}

Value StepBuilder::splitHeads(Value x, int64_t heads, int64_t headDim) {
  OpFoldResult leading = decode ? OpFoldResult(b.getIndexAttr(1)) : rows;
  return tensor::ExpandShapeOp::create(
      b, rowsType({heads, headDim}), x,
      SmallVector<ReassociationIndices>{{0}, {1, 2}},
      SmallVector<OpFoldResult>{leading, b.getIndexAttr(heads),
                                b.getIndexAttr(headDim)});
}

Value StepBuilder::joinHeads(Value x) {
  return tensor::CollapseShapeOp::create(
      b, x, SmallVector<ReassociationIndices>{{0}, {1, 2}});
}

Value StepBuilder::attention(LayerOp layer, Value normed) {
  AttentionSpecAttr spec = layer.getAttention();
  int64_t headDim = spec.getHeadDim();
  Value table = angles.lookup(layer.getRope());
  auto project = [&](StringRef which, int64_t heads) {
    name(prefix + which);
    return splitHeads(linear(normed, weight(layer, which)), heads, headDim);
  };
  auto headNorm = [&](StringRef which, Value x) {
    name(prefix + which);
    return spec.getQkNorm() ? norm(x, weight(layer, which)) : x;
  };
  auto rope = [&](StringRef which, Value x) -> Value {
    name(prefix + which);
    return RopeOp::create(b, x.getType(), x, table);
  };
  Value q = project("q", spec.getHeads());
  if (layer.getShared()) {
    q = rope("q_rope", headNorm("q_norm", q));
    auto [keys, values] = appended.lookup(*layer.getCache());
    return attend(layer, q, start, keys, values, total);
  }
  Value rawK = project("k", spec.getKvHeads());
  Value v = spec.getKEqV() ? rawK : project("v", spec.getKvHeads());
  q = rope("q_rope", headNorm("q_norm", q));
  Value k = rope("k_rope", headNorm("k_norm", rawK));
  if (spec.getVNorm()) {
    name(prefix + "v_norm");
    v = norm(v, Value());
  }
  // Without a cache the keys are the step's own rows, counted from its first.
  Value position = zero, keys = count;
  if (layer.getCache()) {
    name(prefix + "append");
    auto type = RankedTensorType::get(
        {ShapedType::kDynamic, spec.getKvHeads(), headDim}, b.getF32Type());
    auto ref = CacheRefOp::create(
        b, type, type,
        SymbolRefAttr::get(model.getSymNameAttr(), {layer.getCacheAttr()}));
    auto append = KvAppendOp::create(b, type, type, k, v, ref.getKey(),
                                     ref.getValue(), start, count);
    k = append.getNewKeyCache();
    v = append.getNewValueCache();
    appended[*layer.getCache()] = {k, v};
    position = start;
    keys = total;
  }
  return attend(layer, q, position, k, v, keys);
}

Value StepBuilder::attend(LayerOp layer, Value q, Value position, Value k,
                          Value v, Value keys) {
  AttentionSpecAttr spec = layer.getAttention();
  name(prefix + "attend");
  FloatAttr cap = spec.getSoftcap().isZero()
                      ? FloatAttr()
                      : b.getF64FloatAttr(spec.getSoftcap().convertToDouble());
  Value o = AttentionOp::create(
      b, q.getType(), q, position, k, v, keys, layer.getMask(),
      /*blocks=*/KeyBlocksAttr(), b.getF64FloatAttr(spec.getEffectiveScale()),
      cap);
  name(prefix + "o");
  return linear(joinHeads(o), weight(layer, "o"));
}

Value StepBuilder::mlp(LayerOp layer, Value normed) {
  name(prefix + "gate");
  Value gate = linear(normed, weight(layer, "gate"));
  name(prefix + "up");
  Value up = linear(normed, weight(layer, "up"));
  name(prefix + "geglu");
  Value h = GegluOp::create(b, gate.getType(), gate, up);
  name(prefix + "down");
  return linear(h, weight(layer, "down"));
}

Value StepBuilder::experts(LayerOp layer, Value stream) {
  FeedForwardAttr spec = layer.getFeedForward();
  name(prefix + "router_norm");
  Value rows = norm(stream, weight(layer, "router_scale"));
  name(prefix + "router");
  Value logits = linear(rows, weight(layer, "router"));
  name(prefix + "route");
  auto shares = rowsType({spec.getTopK()});
  auto route = RouteExpertsOp::create(
      b, shares.clone(b.getI32Type()), shares, logits,
      weight(layer, "expert_scale"),
      llvm::APFloat(1 / std::sqrt(static_cast<double>(hidden))));
  name(prefix + "expert_norm");
  Value normed = norm(stream, weight(layer, "expert_norm"));
  name(prefix + "experts");
  return MoeOp::create(b, stream.getType(), normed, route.getExperts(),
                       route.getShares(), weight(layer, "expert_gate"),
                       weight(layer, "expert_up"),
                       weight(layer, "expert_down"));
}

Value StepBuilder::feedForward(LayerOp layer, Value stream) {
  std::string outer = layer.getSymName().str() + "/";
  name(outer + "ffn_norm");
  Value normed = norm(stream, weight(layer, "ffn_norm"));
  prefix = outer + "ffn/";
  Value branch = mlp(layer, normed);
  if (layer.getFeedForward().getExperts() == 0)
    return branch;
  name(prefix + "post_dense_norm");
  branch = norm(branch, weight(layer, "post_dense_norm"));
  Value mixture = experts(layer, stream);
  name(prefix + "post_expert_norm");
  mixture = norm(mixture, weight(layer, "post_expert_norm"));
  name(prefix + "add");
  return arith::AddFOp::create(b, branch, mixture);
}

llvm::APFloat StepBuilder::embeddingScale(int64_t width) {
  llvm::APFloat scale(std::sqrt(static_cast<float>(width)));
  bool lost;
  if (model.getBf16EmbeddingScale())
    scale.convert(llvm::APFloat::BFloat(), llvm::APFloat::rmNearestTiesToEven,
                  &lost);
  scale.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven,
                &lost);
  return scale;
}

Value StepBuilder::perLayer(LayerOp layer, Value stream) {
  int64_t width = *layer.getPerLayer();
  prefix = layer.getSymName().str() + "/per_layer/";
  name(prefix + "tokens");
  // Factors need no arithmetic of their own: a norm of `c x` with `eps` is one
  // of `x` with `eps / c^2`. So the context is not divided by sqrt(hidden), and
  // the gated rows are not divided by sqrt(2).
  auto normOf = [&](Value x, StringRef which, double epsFactor) -> Value {
    name(prefix + which);
    llvm::APFloat scaled = eps;
    scaled.multiply(llvm::APFloat(epsFactor),
                    llvm::APFloat::rmNearestTiesToEven);
    return RmsNormOp::create(b, x.getType(), x, weight(layer, which), scaled);
  };
  Value fromTokens =
      EmbedOp::create(b, rowsType({width}), tokens,
                      weight(layer, "per_layer_tokens"), embeddingScale(width));
  name(prefix + "context");
  Value context = linear(embedded, weight(layer, "per_layer_context"));
  context =
      normOf(context, "per_layer_context_norm", static_cast<double>(hidden));
  name(prefix + "add");
  Value both = arith::AddFOp::create(b, context, fromTokens);
  name(prefix + "gate");
  Value gate = linear(stream, weight(layer, "per_layer_gate"));
  name(prefix + "geglu");
  Value gated = GegluOp::create(b, gate.getType(), gate, both);
  name(prefix + "output");
  Value branch = linear(gated, weight(layer, "per_layer_output"));
  branch = normOf(branch, "post_per_layer_norm", 2);
  name(layer.getSymName().str() + "/per_layer_add");
  return arith::AddFOp::create(b, stream, branch);
}

Value StepBuilder::residual(LayerOp layer, StringRef part, Value stream,
                            Value branch, StringRef postNorm) {
  if (layer.getNorms() == NormPlacement::Sandwich) {
    name(prefix + postNorm);
    branch = norm(branch, weight(layer, postNorm));
  }
  name(prefix + part);
  return arith::AddFOp::create(b, stream, branch);
}

Value StepBuilder::layer(LayerOp layer, Value x) {
  std::string layerName = layer.getSymName().str();
  prefix = layerName + "/attention/";
  name(layerName + "/attention_norm");
  Value normed = norm(x, weight(layer, "attention_norm"));
  Value branch = attention(layer, normed);
  prefix = layerName + "/";
  x = residual(layer, "attention_add", x, branch, "post_attention_norm");
  branch = feedForward(layer, x);
  prefix = layerName + "/";
  x = residual(layer, "ffn_add", x, branch, "post_ffn_norm");
  if (layer.getPerLayer())
    x = perLayer(layer, x);
  if (!layer.getLayerScalar())
    return x;
  name(layerName + "/scale");
  return ScaleOp::create(b, x.getType(), x, weight(layer, "layer_scalar"));
}

Value StepBuilder::head(Value x) {
  name("head/norm");
  if (logits == Logits::Last && !decode) {
    Value one = arith::ConstantIndexOp::create(b, 1);
    Value last = arith::SubIOp::create(b, count, one);
    x = tensor::ExtractSliceOp::create(
        b, RankedTensorType::get({1, hidden}, b.getF32Type()), x,
        SmallVector<OpFoldResult>{last, b.getIndexAttr(0)},
        SmallVector<OpFoldResult>{b.getIndexAttr(1), b.getIndexAttr(hidden)},
        SmallVector<OpFoldResult>{b.getIndexAttr(1), b.getIndexAttr(1)});
  }
  x = norm(x, weight(model, "final_norm"));
  if (logits == Logits::None)
    return x;
  name("head/logits");
  Value table =
      weight(model, lookupWeight(model, "head") ? "head" : "embedding");
  const llvm::APFloat cap = model.getHyper().getFinalSoftcap();
  auto type = cast<RankedTensorType>(x.getType())
                  .clone({cast<RankedTensorType>(x.getType()).getDimSize(0),
                          model.getHyper().getVocab()});
  return LmHeadOp::create(
      b, type, x, table,
      cap.isZero() ? FloatAttr() : b.getF64FloatAttr(cap.convertToDouble()));
}

void StepBuilder::build() {
  b.setInsertionPointAfter(model);
  name("step");
  auto tokensType = RankedTensorType::get({decode ? 1 : ShapedType::kDynamic},
                                          b.getI32Type());
  StringRef phase = decode ? "decode" : "prefill";
  auto function = func::FuncOp::create(
      b, phase,
      b.getFunctionType({tokensType, b.getIndexType(), b.getIndexType()}, {}));
  function->setAttr("flow.phase", b.getStringAttr(phase));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  tokens = entry->getArgument(0);
  start = entry->getArgument(1);
  count = entry->getArgument(2);
  zero = arith::ConstantIndexOp::create(b, 0);
  rows = tensor::DimOp::create(b, tokens, zero);
  total = arith::AddIOp::create(b, start, count);

  name("embed");
  Value x = EmbedOp::create(b, rowsType({hidden}), tokens,
                            weight(model, "embedding"), embeddingScale(hidden));
  embedded = x;
  SmallVector<LayerOp> layers(model.getBody().front().getOps<LayerOp>());
  for (LayerOp layer : layers) {
    if (angles.count(layer.getRope()))
      continue;
    name("rope/" + layer.getRope());
    angles[layer.getRope()] = RopeAnglesOp::create(
        b, rowsType({layer.getAttention().getHeadDim() / 2, 2}),
        SymbolRefAttr::get(model.getSymNameAttr(), {layer.getRopeAttr()}),
        start, rows);
  }
  for (LayerOp op : layers)
    x = layer(op, x);
  Value result = head(x);
  func::ReturnOp::create(b, result);
  function.setFunctionType(
      b.getFunctionType(entry->getArgumentTypes(), result.getType()));
}

struct ExpandLayers : flow::impl::ExpandLayersBase<ExpandLayers> {
  using ExpandLayersBase::ExpandLayersBase;

  void runOnOperation() override {
    if (failed(expand()))
      signalPassFailure();
  }

  LogicalResult expand() {
    if (phase != "prefill" && phase != "decode")
      return getOperation().emitError("unknown phase '")
             << phase << "', expected prefill or decode";
    auto kind = llvm::StringSwitch<std::optional<Logits>>(logits)
                    .Case("last", Logits::Last)
                    .Case("all", Logits::All)
                    .Case("none", Logits::None)
                    .Default(std::nullopt);
    if (!kind)
      return getOperation().emitError("unknown logits '")
             << logits << "', expected last, all or none";
    SmallVector<ModelOp> models(getOperation().getOps<ModelOp>());
    if (models.size() != 1)
      return getOperation().emitError("expected one flow.model, found ")
             << models.size();
    ModelOp model = models.front();
    SmallVector<LayerOp> layers(model.getBody().front().getOps<LayerOp>());
    if (layers.empty())
      return model.emitOpError("has no layers to expand");
    for (StringRef needed : {"embedding", "final_norm"})
      if (!lookupWeight(model, needed))
        return model.emitOpError("has no weight @") << needed;
    if (getOperation().lookupSymbol(phase))
      return model.emitOpError("is expanded for this phase already: @")
             << phase;
    StepBuilder(model, phase == "decode", *kind).build();
    return success();
  }
};
} // namespace
