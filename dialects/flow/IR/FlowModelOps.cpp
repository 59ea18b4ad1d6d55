// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifiers of the structure ops, and the weights that a layer must hold.

#include "flow/IR/FlowOps.h"

#include "FlowVerify.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace flow;

//===----------------------------------------------------------------------===//
// ModelOp
//===----------------------------------------------------------------------===//

LogicalResult ModelOp::verifyRegions() {
  int64_t hidden = getHyper().getHidden(), vocab = getHyper().getVocab();
  for (Operation &op : getBody().front()) {
    if (!isa<WeightOp, DerivedWeightOp, RopeTableOp, KvCacheOp, LayerOp>(op))
      return op.emitOpError(
          "(C2) of flow.model: a model holds weights, tables, caches and "
          "layers only");
    StringRef name = cast<SymbolOpInterface>(op).getName();
    SmallVector<int64_t> expected;
    if (name == "embedding" || name == "head")
      expected = {vocab, hidden};
    else if (name == "final_norm")
      expected = {hidden};
    else
      continue;
    auto weight = dyn_cast<WeightOp>(op);
    if (!weight)
      return op.emitOpError("(C1) of flow.model: @")
             << name << " must be a flow.weight";
    if (weight.getTensorType().getShape() != ArrayRef(expected))
      return weight.emitOpError("(C1) of flow.model: @")
             << name << " must have shape [" << expected << "], got "
             << weight.getType();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// WeightOp, DerivedWeightOp
//===----------------------------------------------------------------------===//

/// True for a static f32 tensor of rank 1 or 2 that has no encoding, its
/// extents within the limit.
static bool isWeightType(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getElementType().isF32() && !tensor.getEncoding() &&
         tensor.getRank() >= 1 && tensor.getRank() <= 2 &&
         llvm::all_of(tensor.getShape(), isExtent);
}

LogicalResult WeightOp::verify() {
  if (!isWeightType(getType()))
    return emitOpError("(C1): the type must be a static f32 tensor of rank 1 "
                       "or 2 without encoding, its extents positive and below "
                       "2^31, got ")
           << getType();
  int64_t columns = getTensorType().getShape().back();
  int64_t block = getBlockSize(getStorage());
  if (columns % block != 0)
    return emitOpError("(C2): the last dimension must be a multiple of ")
           << block << " for " << stringifyStorage(getStorage()) << ", got "
           << columns;
  if (getUnitOffset() && getTensorType().getRank() != 1)
    return emitOpError("(C3): unit_offset is for vectors, got ") << getType();
  std::optional<ArrayRef<int64_t>> part = getPart();
  auto isPlace = [](int64_t place) { return place == 0 || isExtent(place); };
  if (part && (part->size() != 2 || getTensorType().getRank() != 2 ||
               !llvm::all_of(*part, isPlace) || part->back() % block != 0))
    return emitOpError("(C4): part must be a row and a column of a matrix, the "
                       "column a multiple of ")
           << block << ", got [" << *part << "] of " << getType();
  std::optional<ArrayRef<int64_t>> groups = getGroups();
  if (groups &&
      (!part || groups->size() != 2 || !llvm::all_of(*groups, isExtent) ||
       groups->front() > groups->back() ||
       getTensorType().getDimSize(0) % groups->front() != 0))
    return emitOpError("(C5): groups must be the rows of a group, which divide "
                       "those of a part, and as many or more from one to the "
                       "next, got [")
           << *groups << "] of " << getType();
  return success();
}

LogicalResult DerivedWeightOp::verify() {
  SmallVector<RankedTensorType> types;
  for (auto source : getSources().getAsRange<FlatSymbolRefAttr>()) {
    WeightOp weight;
    if (Operation *parent = (*this)->getParentOp();
        parent && parent->hasTrait<OpTrait::SymbolTable>())
      weight = dyn_cast_or_null<WeightOp>(
          SymbolTable::lookupSymbolIn(parent, source.getAttr()));
    if (!weight || !isWeightType(weight.getType()))
      return emitOpError("(C1): ")
             << source << " is not a flow.weight beside the op";
    types.push_back(weight.getTensorType());
  }
  if (types.size() < 2)
    return emitOpError("(C1): needs at least two sources, got ")
           << types.size();
  int64_t rows = 0;
  for (RankedTensorType type : types) {
    if (type.getRank() != 2 || type.getDimSize(1) != types[0].getDimSize(1))
      return emitOpError("(C2): sources must be matrices of one row length, "
                         "got ")
             << types[0] << " and " << type;
    rows += type.getDimSize(0);
    if (getCombine() == Combine::Interleave &&
        (type != types[0] || type.getDimSize(0) % kInterleaveRows != 0))
      return emitOpError("(C3): interleaved sources must have one type with a "
                         "multiple of 16 rows, got ")
             << types[0] << " and " << type;
  }
  auto expected = RankedTensorType::get({rows, types[0].getDimSize(1)},
                                        types[0].getElementType());
  if (getType() != expected)
    return emitOpError("(C2): the sources make ")
           << expected << ", got " << getType();
  return success();
}

//===----------------------------------------------------------------------===//
// RopeTableOp, KvCacheOp
//===----------------------------------------------------------------------===//

LogicalResult RopeTableOp::verify() {
  if (failed(verifyPositive(*this, "(C1)", "theta", getTheta())) ||
      failed(verifyPositive(*this, "(C1)", "factor", getFactor())))
    return failure();
  int64_t headDim = getHeadDim();
  if (!isExtent(headDim) || headDim % 2 != 0)
    return emitOpError("(C2): head_dim must be positive, even and below 2^31, "
                       "got ")
           << headDim;
  int64_t pairs = getEffectivePairs();
  if (pairs <= 0 || pairs > headDim / 2)
    return emitOpError("(C3): pairs must lie in [1, ")
           << headDim / 2 << "], got " << pairs;
  return success();
}

LogicalResult KvCacheOp::verify() {
  int64_t kvHeads = getKvHeads(), headDim = getHeadDim();
  if (!isExtent(kvHeads) || !isExtent(headDim))
    return emitOpError("(C1): kv_heads and head_dim must be positive and below "
                       "2^31, got ")
           << kvHeads << " and " << headDim;
  if (std::optional<uint64_t> ring = getRing();
      ring && static_cast<int64_t>(*ring) <= 0)
    return emitOpError("(C2): ring must be positive, got ")
           << static_cast<int64_t>(*ring);
  if (Type element = getElementType();
      !element.isF32() && !element.isBF16() && !element.isF16())
    return emitOpError("(C3): the type must be f32, bf16 or f16, got ")
           << element;
  return success();
}

//===----------------------------------------------------------------------===//
// LayerOp
//===----------------------------------------------------------------------===//

SmallVector<WeightRole> flow::getWeightRoles(LayerOp layer) {
  int64_t d = cast<ModelOp>(layer->getParentOp()).getHyper().getHidden();
  AttentionSpecAttr spec = layer.getAttention();
  int64_t q = spec.getHeads() * spec.getHeadDim();
  int64_t kv = spec.getKvHeads() * spec.getHeadDim();
  int64_t width = layer.getFeedForward().getWidth();
  bool sandwich = layer.getNorms() == NormPlacement::Sandwich;

  bool shared = layer.getShared();
  SmallVector<WeightRole> roles{{"attention_norm", {d}}, {"q", {q, d}}};
  if (!shared)
    roles.push_back({"k", {kv, d}});
  if (!shared && !spec.getKEqV())
    roles.push_back({"v", {kv, d}});
  if (spec.getQkNorm())
    roles.push_back({"q_norm", {spec.getHeadDim()}});
  if (spec.getQkNorm() && !shared)
    roles.push_back({"k_norm", {spec.getHeadDim()}});
  roles.push_back({"o", {d, q}});
  if (sandwich)
    roles.push_back({"post_attention_norm", {d}});
  roles.push_back({"ffn_norm", {d}});
  roles.push_back({"gate", {width, d}});
  roles.push_back({"up", {width, d}});
  roles.push_back({"down", {d, width}});
  if (int64_t experts = layer.getFeedForward().getExperts()) {
    int64_t inner = layer.getFeedForward().getExpertWidth();
    roles.push_back({"post_dense_norm", {d}});
    roles.push_back({"router_scale", {d}});
    roles.push_back({"router", {experts, d}});
    roles.push_back({"expert_scale", {experts}});
    roles.push_back({"expert_norm", {d}});
    roles.push_back({"expert_gate", {experts * inner, d}});
    roles.push_back({"expert_up", {experts * inner, d}});
    roles.push_back({"expert_down", {experts * d, inner}});
    roles.push_back({"post_expert_norm", {d}});
  }
  if (sandwich)
    roles.push_back({"post_ffn_norm", {d}});
  if (std::optional<uint64_t> perLayer = layer.getPerLayer()) {
    int64_t p = *perLayer;
    int64_t vocab = cast<ModelOp>(layer->getParentOp()).getHyper().getVocab();
    roles.push_back({"per_layer_tokens", {vocab, p}});
    roles.push_back({"per_layer_context", {p, d}});
    roles.push_back({"per_layer_context_norm", {p}});
    roles.push_back({"per_layer_gate", {p, d}});
    roles.push_back({"per_layer_output", {d, p}});
    roles.push_back({"post_per_layer_norm", {d}});
  }
  if (layer.getLayerScalar())
    roles.push_back({"layer_scalar", {1}});
  return roles;
}

LogicalResult LayerOp::verifyRegions() {
  auto model = dyn_cast_or_null<ModelOp>((*this)->getParentOp());
  if (!model)
    return emitOpError("(C1): a layer must stand in a flow.model");

  for (Operation &op : getBody().front())
    if (!isa<WeightOp, DerivedWeightOp>(op))
      return op.emitOpError(
          "(C5) of flow.layer: a layer holds weights and derived weights only");

  if (std::optional<uint64_t> perLayer = getPerLayer();
      perLayer && !isExtent(*perLayer))
    return emitOpError("(C7): per_layer must be positive and below 2^31, got ")
           << static_cast<int64_t>(*perLayer);

  if (getFeedForward().getExperts() != 0 &&
      getNorms() != NormPlacement::Sandwich)
    return emitOpError("(C8): a layer with experts must be a sandwich");

  SmallVector<WeightRole> roles = getWeightRoles(*this);
  for (const WeightRole &role : roles) {
    auto weight = dyn_cast_or_null<WeightOp>(mlir::SymbolTable::lookupSymbolIn(
        getOperation(), StringAttr::get(getContext(), role.name)));
    if (!weight)
      return emitOpError("(C2): weight @") << role.name << " is missing";
    if (weight.getTensorType().getShape() != ArrayRef(role.shape))
      return weight.emitOpError("(C2) of flow.layer: @")
             << role.name << " must have shape [" << role.shape << "], got "
             << weight.getType();
  }
  for (WeightOp weight : getBody().front().getOps<WeightOp>())
    if (llvm::none_of(roles, [&](const WeightRole &role) {
          return role.name == weight.getSymName();
        }))
      return weight.emitOpError(
                 "(C2) of flow.layer: the recipe has no weight @")
             << weight.getSymName();

  AttentionSpecAttr spec = getAttention();
  auto table = dyn_cast_or_null<RopeTableOp>(
      mlir::SymbolTable::lookupSymbolIn(model, getRopeAttr().getAttr()));
  if (!table)
    return emitOpError("(C3): ")
           << getRopeAttr() << " is not a flow.rope_table";
  if (static_cast<int64_t>(table.getHeadDim()) != spec.getHeadDim())
    return emitOpError("(C3): ") << getRopeAttr() << " has head_dim "
                                 << static_cast<int64_t>(table.getHeadDim())
                                 << ", the layer " << spec.getHeadDim();

  if (getShared()) {
    auto isSource = [&](LayerOp layer) {
      return !layer.getShared() && layer.getCacheAttr() == getCacheAttr() &&
             layer->isBeforeInBlock(getOperation());
    };
    if (!getCache() ||
        llvm::none_of(model.getBody().front().getOps<LayerOp>(), isSource))
      return emitOpError(
          "(C6): no earlier layer writes the cache that this one "
          "shares");
  }
  if (!getCache())
    return success();
  auto cache = dyn_cast_or_null<KvCacheOp>(
      mlir::SymbolTable::lookupSymbolIn(model, getCacheAttr().getAttr()));
  if (!cache)
    return emitOpError("(C4): ") << getCacheAttr() << " is not a flow.kv_cache";
  if (static_cast<int64_t>(cache.getKvHeads()) != spec.getKvHeads() ||
      static_cast<int64_t>(cache.getHeadDim()) != spec.getHeadDim())
    return emitOpError("(C4): ")
           << getCacheAttr() << " holds "
           << static_cast<int64_t>(cache.getKvHeads()) << " heads of "
           << static_cast<int64_t>(cache.getHeadDim()) << ", the layer has "
           << spec.getKvHeads() << " of " << spec.getHeadDim();
  return success();
}

//===----------------------------------------------------------------------===//
// References
//===----------------------------------------------------------------------===//

LogicalResult WeightRefOp::verifySymbolUses(SymbolTableCollection &tables) {
  Operation *symbol = tables.lookupNearestSymbolFrom(*this, getWeightAttr());
  Type type;
  if (auto weight = dyn_cast_or_null<WeightOp>(symbol))
    type = weight.getType();
  else if (auto derived = dyn_cast_or_null<DerivedWeightOp>(symbol))
    type = derived.getType();
  else
    return emitOpError("(C1): ")
           << getWeightAttr() << " is not a weight of this module";
  // Symbols are verified after the ops that they name.
  if (getType().getShape() != cast<RankedTensorType>(type).getShape())
    return emitOpError("(C2): ")
           << getWeightAttr() << " is " << type << ", not " << getType();
  return success();
}

LogicalResult CacheRefOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto cache = dyn_cast_or_null<KvCacheOp>(
      tables.lookupNearestSymbolFrom(*this, getCacheAttr()));
  if (!cache)
    return emitOpError("(C1): ")
           << getCacheAttr() << " is not a flow.kv_cache of this module";
  RankedTensorType type = getKey().getType();
  if (getValue().getType() != type)
    return emitOpError("(C2): keys and values must have one type, got ")
           << type << " and " << getValue().getType();
  // Open lengths, of slots too, and then heads.
  ArrayRef<int64_t> leading = type.getShape().drop_back(2);
  if (!llvm::all_of(leading, ShapedType::isDynamic) ||
      type.getShape().take_back(2) !=
          ArrayRef<int64_t>{static_cast<int64_t>(cache.getKvHeads()),
                            static_cast<int64_t>(cache.getHeadDim())} ||
      type.getElementType() != cache.getElementType())
    return emitOpError("(C2): the type must be ")
           << (leading.size() == 2 ? "[?, ?, " : "[?, ")
           << static_cast<int64_t>(cache.getKvHeads()) << ", "
           << static_cast<int64_t>(cache.getHeadDim()) << "] of "
           << cache.getElementType() << ", got " << type;
  return success();
}
