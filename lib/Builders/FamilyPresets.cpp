// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fills in what the members of a family have in common.

#include "flow/Builders/FamilyPresets.h"

#include "mlir/IR/Verifier.h"

#include <cmath>

using namespace mlir;
using namespace flow;

namespace {

constexpr int64_t kMaxLayers = 512;

struct Family {
  llvm::StringRef name;
  NormPlacement norms;
  bool qkNorm, vNorm;
  double attentionSoftcap, finalSoftcap;
  /// Every `period`-th layer is full; 0 = all are.
  int64_t period;
  double thetaFull, thetaSliding;
  bool hasQueryScalar, hasFactor, isFourth;
};

constexpr Family kFamilies[] = {
    {"Gemma 1", NormPlacement::Pre, false, false, 0, 0, 0, 1e4, 1e4, false,
     false, false},
    {"Gemma 2", NormPlacement::Sandwich, false, false, 50, 30, 2, 1e4, 1e4,
     true, false, false},
    {"Gemma 3", NormPlacement::Sandwich, true, false, 0, 0, 6, 1e6, 1e4, true,
     true, false},
    {"Gemma 4", NormPlacement::Sandwich, true, true, 0, 30, 6, 1e6, 1e4, false,
     false, true},
};

llvm::Error fail(const Twine &what) { return llvm::createStringError(what); }

/// Sizes of a family, checked, and what follows from both.
class Preset {
public:
  Preset(GemmaFamily family, const GemmaSizes &sizes)
      : family(kFamilies[static_cast<int>(family)]), sizes(sizes) {}

  llvm::Error check() const;
  llvm::Expected<LayerRecipe> layer(MLIRContext &context, int64_t index) const;
  llvm::Expected<ModelOp> model(OpBuilder &b, Location loc,
                                llvm::StringRef name) const;

private:
  llvm::Error checkFamily() const;
  llvm::Error checkFourth() const;
  bool isFull(int64_t index) const;
  bool isShared(int64_t index) const {
    return index >= sizes.layers - sizes.sharedLayers;
  }
  /// The last layer before those that share with the kind of `index`, or -1.
  int64_t sourceOf(int64_t index) const;
  int64_t headDim(bool full) const {
    return full && sizes.fullHeadDim ? sizes.fullHeadDim : sizes.headDim;
  }
  /// Pairs that turn, 0 = all.
  int64_t pairs(bool full) const {
    return full && family.isFourth ? headDim(true) / 2 / 4 : 0;
  }
  bool hasTwoTables() const { return family.thetaFull != family.thetaSliding; }
  llvm::StringRef table(bool full) const {
    return !hasTwoTables() ? "rope" : full ? "rope_global" : "rope_local";
  }
  llvm::Error addWeight(OpBuilder &b, Location loc,
                        const WeightRole &role) const;
  void addTables(OpBuilder &b, Location loc) const;

  const Family &family;
  const GemmaSizes &sizes;
};

llvm::Error Preset::check() const {
  for (auto [name, value] : {std::pair("hidden", sizes.hidden),
                             {"vocab", sizes.vocab},
                             {"heads", sizes.heads},
                             {"kvHeads", sizes.kvHeads},
                             {"headDim", sizes.headDim},
                             {"width", sizes.width}})
    if (!isExtent(value))
      return fail(Twine(name) + " must be positive and below 2^31, found " +
                  Twine(value));
  if (sizes.positions < 1)
    return fail("positions must be positive, found " + Twine(sizes.positions));
  if (sizes.layers < 1 || sizes.layers > kMaxLayers)
    return fail("layers must lie in 1 to " + Twine(kMaxLayers) + ", found " +
                Twine(sizes.layers));
  if (sizes.headDim % 2 != 0)
    return fail("headDim must be even, found " + Twine(sizes.headDim));
  if (sizes.heads % sizes.kvHeads != 0)
    return fail(Twine(sizes.heads) + " heads cannot share " +
                Twine(sizes.kvHeads) + " key/value heads");
  int64_t block = getBlockSize(sizes.matrices);
  for (auto [name, value] : {std::pair("hidden", sizes.hidden),
                             {"width", sizes.width},
                             {"heads * headDim", sizes.heads * sizes.headDim}})
    if (value % block != 0)
      return fail(Twine(name) + " must be a multiple of " + Twine(block) +
                  " in " + stringifyStorage(sizes.matrices) + ", found " +
                  Twine(value));
  if (llvm::Error error = checkFamily())
    return error;
  return checkFourth();
}

llvm::Error Preset::checkFamily() const {
  auto refuse = [&](const Twine &what) {
    return fail(Twine(family.name) + " has no " + what);
  };
  bool slides = family.period != 0;
  if (!slides && (sizes.window || sizes.period || !sizes.full.empty()))
    return refuse("windows");
  if (slides && sizes.window < 1)
    return fail("window must be positive, found " + Twine(sizes.window));
  if (sizes.period < 0)
    return fail("period must not be negative, found " + Twine(sizes.period));
  if (!sizes.full.empty() &&
      static_cast<int64_t>(sizes.full.size()) != sizes.layers)
    return fail("full must have an entry for each of " + Twine(sizes.layers) +
                " layers, found " + Twine(sizes.full.size()));
  if (sizes.queryScalar != 0 && !family.hasQueryScalar)
    return refuse("queryScalar");
  if (!std::isfinite(sizes.queryScalar) || sizes.queryScalar < 0)
    return fail("queryScalar must be finite and not negative, found " +
                std::to_string(sizes.queryScalar));
  if (sizes.ropeFactor != 1 && !family.hasFactor)
    return refuse("ropeFactor");
  if (!std::isfinite(sizes.ropeFactor) || sizes.ropeFactor <= 0)
    return fail("ropeFactor must be finite and positive, found " +
                std::to_string(sizes.ropeFactor));
  return llvm::Error::success();
}

llvm::Error Preset::checkFourth() const {
  if (!family.isFourth) {
    for (auto [name, isGiven] :
         {std::pair("fullHeadDim", sizes.fullHeadDim != 0),
          {"fullKvHeads", sizes.fullKvHeads != 0},
          {"kEqV", sizes.kEqV},
          {"sharedLayers", sizes.sharedLayers != 0},
          {"doubleWide", sizes.doubleWide},
          {"experts", sizes.experts || sizes.expertsUsed || sizes.expertWidth},
          {"perLayer", sizes.perLayer != 0}})
      if (isGiven)
        return fail(Twine(family.name) + " has no " + name);
    return llvm::Error::success();
  }
  for (auto [name, value] : {std::pair("fullHeadDim", sizes.fullHeadDim),
                             {"fullKvHeads", sizes.fullKvHeads},
                             {"perLayer", sizes.perLayer}})
    if (value != 0 && !isExtent(value))
      return fail(Twine(name) + " must be positive and below 2^31, or 0, " +
                  "found " + Twine(value));
  bool hasExperts = sizes.experts || sizes.expertsUsed || sizes.expertWidth;
  if (hasExperts && (!isExtent(sizes.experts) || !isExtent(sizes.expertWidth)))
    return fail("experts and expertWidth must both be positive and below 2^31, "
                "or 0, found " +
                Twine(sizes.experts) + " and " + Twine(sizes.expertWidth));
  if (hasExperts && (!isExtent(sizes.experts * sizes.expertWidth) ||
                     !isExtent(sizes.experts * sizes.hidden)))
    return fail("experts of width " + Twine(sizes.expertWidth) +
                " must have less than 2^31 rows in all, found " +
                Twine(sizes.experts) + " of them");
  if (hasExperts &&
      (sizes.expertsUsed < 1 || sizes.expertsUsed > sizes.experts))
    return fail("expertsUsed must lie in 1 to " + Twine(sizes.experts) +
                ", found " + Twine(sizes.expertsUsed));
  int64_t kvHeads = sizes.fullKvHeads ? sizes.fullKvHeads : sizes.kvHeads;
  if (sizes.heads % kvHeads != 0)
    return fail(Twine(sizes.heads) + " heads cannot share " + Twine(kvHeads) +
                " key/value heads");
  if (headDim(true) % 8 != 0)
    return fail("heads of full layers must be a multiple of 8, of which a "
                "quarter turns in pairs, found " +
                Twine(headDim(true)));
  for (auto [name, value] :
       {std::pair("perLayer", sizes.perLayer),
        {"expertWidth", sizes.expertWidth},
        {"heads * fullHeadDim", sizes.heads * headDim(true)}})
    if (value % getBlockSize(sizes.matrices) != 0)
      return fail(Twine(name) + " must be a multiple of " +
                  Twine(getBlockSize(sizes.matrices)) + " in " +
                  stringifyStorage(sizes.matrices) + ", found " + Twine(value));
  if (sizes.sharedLayers < 0 || sizes.sharedLayers > sizes.layers)
    return fail("sharedLayers must lie in 0 to " + Twine(sizes.layers) +
                ", found " + Twine(sizes.sharedLayers));
  if (sizes.doubleWide && !isExtent(2 * sizes.width))
    return fail("width must be below 2^30 when it doubles, found " +
                Twine(sizes.width));
  for (int64_t i = sizes.layers - sizes.sharedLayers; i != sizes.layers; ++i)
    if (sourceOf(i) < 0)
      return fail("no layer has keys and values for layer " + Twine(i) +
                  ", as sharedLayers is " + Twine(sizes.sharedLayers));
  return llvm::Error::success();
}

bool Preset::isFull(int64_t index) const {
  if (!sizes.full.empty())
    return sizes.full[index];
  int64_t period = sizes.period ? sizes.period : family.period;
  return period == 0 || (index + 1) % period == 0 ||
         (family.isFourth && index + 1 == sizes.layers);
}

int64_t Preset::sourceOf(int64_t index) const {
  int64_t source = sizes.layers - sizes.sharedLayers - 1;
  while (source >= 0 && isFull(source) != isFull(index))
    --source;
  return source;
}

llvm::Expected<LayerRecipe> Preset::layer(MLIRContext &context,
                                          int64_t index) const {
  if (index < 0 || index >= sizes.layers)
    return fail("the layer must lie in 0 to " + Twine(sizes.layers - 1) +
                ", found " + Twine(index));
  context.loadDialect<FlowDialect>();
  bool full = isFull(index), shared = isShared(index);
  // Norms of queries and keys bear the scale in Gemma 4.
  double scale = family.isFourth ? 1 : 0;
  if (sizes.queryScalar != 0 &&
      sizes.queryScalar != static_cast<double>(sizes.headDim))
    scale = 1 / std::sqrt(sizes.queryScalar);
  LayerRecipe recipe;
  recipe.index = index;
  recipe.norms = family.norms;
  recipe.attention = AttentionSpecAttr::get(
      &context, sizes.heads,
      full && sizes.fullKvHeads ? sizes.fullKvHeads : sizes.kvHeads,
      headDim(full), llvm::APFloat(scale),
      llvm::APFloat(family.attentionSoftcap), family.qkNorm, family.vNorm,
      sizes.kEqV && full && !shared);
  recipe.mask =
      MaskAttr::get(&context, MaskPattern::Causal, full ? 0 : sizes.window);
  recipe.rope = table(full).str();
  recipe.source = shared ? sourceOf(index) : -1;
  recipe.feedForward = FeedForwardAttr::get(
      &context, sizes.doubleWide && shared ? 2 * sizes.width : sizes.width,
      sizes.experts, sizes.expertsUsed, sizes.expertWidth);
  recipe.perLayer = sizes.perLayer;
  recipe.layerScalar = family.isFourth;
  return recipe;
}

llvm::Error Preset::addWeight(OpBuilder &b, Location loc,
                              const WeightRole &role) const {
  bool isMatrix = role.shape.size() == 2;
  WeightOp::create(b, loc, role.name,
                   RankedTensorType::get(role.shape, b.getF32Type()),
                   isMatrix ? sizes.matrices : Storage::F32,
                   /*from=*/StringAttr(), /*part=*/DenseI64ArrayAttr(),
                   /*groups=*/DenseI64ArrayAttr(),
                   sizes.unitOffset && role.name.ends_with("norm"));
  return llvm::Error::success();
}

void Preset::addTables(OpBuilder &b, Location loc) const {
  for (bool full : {false, true}) {
    bool isUsed = false;
    for (int64_t i = 0; i != sizes.layers; ++i)
      isUsed |= isFull(i) == full;
    if (!(hasTwoTables() ? isUsed : full))
      continue;
    int64_t turning = pairs(full);
    RopeTableOp::create(
        b, loc, table(full),
        llvm::APFloat(full ? family.thetaFull : family.thetaSliding),
        headDim(full), turning ? b.getI64IntegerAttr(turning) : IntegerAttr(),
        llvm::APFloat(full ? sizes.ropeFactor : 1.0));
  }
}

llvm::Expected<ModelOp> Preset::model(OpBuilder &b, Location loc,
                                      llvm::StringRef name) const {
  b.getContext()->loadDialect<FlowDialect>();
  auto hyper =
      HyperAttr::get(b.getContext(), sizes.hidden, sizes.vocab, sizes.positions,
                     llvm::APFloat(1e-6), llvm::APFloat(family.finalSoftcap));
  auto model = ModelOp::create(b, loc, name, hyper, sizes.bf16EmbeddingScale);
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&model.getBody());
  auto makeWeight = [&](OpBuilder &b, const WeightRole &role) {
    return addWeight(b, loc, role);
  };
  llvm::Error error = makeWeight(b, {"embedding", {sizes.vocab, sizes.hidden}});
  if (!error)
    error = makeWeight(b, {"final_norm", {sizes.hidden}});
  addTables(b, loc);
  for (int64_t i = 0; i != sizes.layers && !error; ++i) {
    llvm::Expected<LayerRecipe> recipe = layer(*b.getContext(), i);
    llvm::Expected<LayerOp> made =
        recipe ? createLayer(b, loc, *recipe, makeWeight)
               : llvm::Expected<LayerOp>(recipe.takeError());
    if (!made)
      error = made.takeError();
  }
  if (!error && failed(verify(model)))
    error = fail("the sizes make no valid recipe");
  if (!error)
    return model;
  model.erase();
  return std::move(error);
}

} // namespace

llvm::Expected<LayerRecipe> flow::getLayerPreset(MLIRContext &context,
                                                 GemmaFamily family,
                                                 const GemmaSizes &sizes,
                                                 int64_t index) {
  Preset preset(family, sizes);
  if (llvm::Error error = preset.check())
    return std::move(error);
  return preset.layer(context, index);
}

llvm::Expected<ModelOp> flow::createModel(OpBuilder &b, Location loc,
                                          StringRef name, GemmaFamily family,
                                          const GemmaSizes &sizes) {
  Preset preset(family, sizes);
  if (llvm::Error error = preset.check())
    return std::move(error);
  return preset.model(b, loc, name);
}
