// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds recipes from configurations.

#include "flow/Import/ModelBuilder.h"

#include "flow/Builders/LayerRecipe.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringSwitch.h"

#include <charconv>

using namespace mlir;
using namespace flow;

/// The double with the shortest decimal that means the same f32. Files hold
/// f32, and 9.99999997E-7 is meant as 1e-6.
static double shortest(float value) {
  char text[32];
  auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  (void)error;
  double result = value;
  std::from_chars(text, end, result);
  return result;
}

/// Where the GGUF format keeps a layer's weight.
static StringRef tensorNameOf(StringRef role) {
  return llvm::StringSwitch<StringRef>(role)
      .Case("attention_norm", "attn_norm")
      .Case("q", "attn_q")
      .Case("k", "attn_k")
      .Case("v", "attn_v")
      .Case("q_norm", "attn_q_norm")
      .Case("k_norm", "attn_k_norm")
      .Case("o", "attn_output")
      .Case("post_attention_norm", "post_attention_norm")
      .Case("ffn_norm", "ffn_norm")
      .Case("gate", "ffn_gate")
      .Case("up", "ffn_up")
      .Case("down", "ffn_down")
      .Case("post_ffn_norm", "post_ffw_norm")
      .Case("per_layer_gate", "inp_gate")
      .Case("per_layer_output", "proj")
      .Case("post_per_layer_norm", "post_norm")
      .Case("layer_scalar", "layer_output_scale")
      .Case("post_dense_norm", "post_ffw_norm_1")
      .Case("router", "ffn_gate_inp")
      .Case("expert_norm", "pre_ffw_norm_2")
      .Case("expert_gate", "ffn_gate_exps")
      .Case("expert_up", "ffn_up_exps")
      .Case("expert_down", "ffn_down_exps")
      .Case("post_expert_norm", "post_ffw_norm_2");
}

namespace {

class RecipeBuilder {
public:
  RecipeBuilder(MLIRContext &context, const GemmaConfig &config,
                const ModelFile &file)
      : b(&context), loc(UnknownLoc::get(&context)), config(config),
        file(file) {}

  llvm::Expected<OwningOpRef<ModuleOp>> build();

private:
  /// `part` is empty, or the place of the weight in a larger tensor, and
  /// `groups` empty, or how its rows are spread there.
  llvm::Error addWeight(StringRef symbol, ArrayRef<int64_t> shape,
                        StringRef ggufName, ArrayRef<int64_t> part = {},
                        ArrayRef<int64_t> groups = {});
  llvm::Error addLayerWeight(const WeightRole &role, size_t index);
  llvm::Error addLayer(size_t index);
  /// One rotary table, or one of sliding and one of full layers where they
  /// differ.
  void addTables();
  StringRef tableOf(const GemmaLayer &layer) const;

  OpBuilder b;
  Location loc;
  const GemmaConfig &config;
  const ModelFile &file;
  bool hasTwoTables = false;
};

llvm::Error RecipeBuilder::addWeight(StringRef symbol, ArrayRef<int64_t> shape,
                                     StringRef ggufName, ArrayRef<int64_t> part,
                                     ArrayRef<int64_t> groups) {
  std::string tensor = file.nameOf(ggufName);
  const ModelTensor *found = file.findTensor(tensor);
  if (!found)
    return llvm::createStringError("tensor '" + tensor + "' is missing");
  std::optional<Storage> storage =
      symbolizeStorage(StringRef(ggml::typeName(found->type)).lower());
  if (!storage)
    return llvm::createStringError("tensor '" + tensor + "' is stored as " +
                                   ggml::typeName(found->type).data() +
                                   ", which cannot be computed with");
  bool hasOffset = file.hasUnitOffset() && symbol.ends_with("norm");
  auto numbers = [&](ArrayRef<int64_t> list) {
    return list.empty() ? DenseI64ArrayAttr() : b.getDenseI64ArrayAttr(list);
  };
  WeightOp::create(b, loc, symbol, RankedTensorType::get(shape, b.getF32Type()),
                   *storage, b.getStringAttr(tensor), numbers(part),
                   numbers(groups), hasOffset);
  return llvm::Error::success();
}

llvm::Error RecipeBuilder::addLayerWeight(const WeightRole &role,
                                          size_t index) {
  // One tensor holds these of all layers, side by side or one below the other.
  int64_t place = static_cast<int64_t>(index) * config.perLayer;
  if (role.name == "per_layer_tokens")
    return addWeight(role.name, role.shape, "per_layer_token_embd.weight",
                     {0, place});
  if (role.name == "per_layer_context")
    return addWeight(role.name, role.shape, "per_layer_model_proj.weight",
                     {place, 0});
  if (role.name == "per_layer_context_norm")
    return addWeight(role.name, role.shape, "per_layer_proj_norm.weight");
  std::string layer = "blk." + std::to_string(index) + ".";
  if (role.name == "router_scale")
    return addWeight(role.name, role.shape, layer + "ffn_gate_inp.scale");
  if (role.name == "expert_scale")
    return addWeight(role.name, role.shape, layer + "ffn_down_exps.scale");
  // One tensor may hold all gates of an expert and then the rest of it.
  std::string fused = layer + "ffn_gate_up_exps.weight";
  if ((role.name == "expert_gate" || role.name == "expert_up") &&
      file.findTensor(file.nameOf(fused))) {
    int64_t width = config.experts.width;
    return addWeight(role.name, role.shape, fused,
                     {role.name == "expert_up" ? width : 0, 0},
                     {width, 2 * width});
  }
  return addWeight(role.name, role.shape,
                   layer + tensorNameOf(role.name).str() + ".weight");
}

StringRef RecipeBuilder::tableOf(const GemmaLayer &layer) const {
  return !hasTwoTables ? "rope" : layer.sliding ? "rope_local" : "rope_global";
}

void RecipeBuilder::addTables() {
  const GemmaRope &full = config.ropeFull, &sliding = config.ropeSliding;
  auto find = [&](bool isSliding) {
    return llvm::find_if(config.layers, [&](const GemmaLayer &layer) {
      return layer.sliding == isSliding;
    });
  };
  auto local = find(true), global = find(false), end = config.layers.end();
  hasTwoTables =
      full.theta != sliding.theta || full.factor != sliding.factor ||
      full.pairs != sliding.pairs ||
      (local != end && global != end && local->headDim != global->headDim);
  auto table = [&](const GemmaLayer &layer, const GemmaRope &rope) {
    RopeTableOp::create(b, loc, tableOf(layer),
                        llvm::APFloat(shortest(rope.theta)), layer.headDim,
                        rope.pairs ? b.getI64IntegerAttr(rope.pairs)
                                   : IntegerAttr(),
                        llvm::APFloat(shortest(rope.factor)));
  };
  if (local != end && hasTwoTables)
    table(*local, sliding);
  if (global != end || !hasTwoTables)
    table(global != end ? *global : *local, full);
}

llvm::Error RecipeBuilder::addLayer(size_t index) {
  MLIRContext *context = b.getContext();
  const GemmaLayer &numbers = config.layers[index];
  LayerRecipe recipe;
  recipe.index = static_cast<int64_t>(index);
  recipe.norms =
      config.postNorms ? NormPlacement::Sandwich : NormPlacement::Pre;
  recipe.attention = AttentionSpecAttr::get(
      context, config.heads, numbers.kvHeads, numbers.headDim,
      llvm::APFloat(shortest(config.attentionScale)),
      llvm::APFloat(shortest(config.attentionSoftcap)), config.qkNorm,
      config.vNorm, numbers.kEqV);
  recipe.mask = MaskAttr::get(context, MaskPattern::Causal,
                              numbers.sliding ? config.window : 0);
  recipe.rope = tableOf(numbers).str();
  recipe.source = numbers.source;
  recipe.feedForward =
      FeedForwardAttr::get(context, numbers.ffn, config.experts.count,
                           config.experts.used, config.experts.width);
  recipe.perLayer = config.perLayer;
  recipe.layerScalar = numbers.scalar;
  return createLayer(b, loc, recipe,
                     [&](OpBuilder &, const WeightRole &role) {
                       return addLayerWeight(role, index);
                     })
      .takeError();
}

llvm::Expected<OwningOpRef<ModuleOp>> RecipeBuilder::build() {
  b.getContext()->loadDialect<FlowDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(module->getBody());
  auto hyper =
      HyperAttr::get(b.getContext(), config.hidden, config.vocab,
                     config.context, llvm::APFloat(shortest(config.eps)),
                     llvm::APFloat(shortest(config.finalSoftcap)));
  auto model =
      ModelOp::create(b, loc, "gemma", hyper, file.hasBf16EmbeddingScale());
  b.createBlock(&model.getBody());
  if (llvm::Error error = addWeight("embedding", {config.vocab, config.hidden},
                                    "token_embd.weight"))
    return error;
  if (!config.tiedHead)
    if (llvm::Error error =
            addWeight("head", {config.vocab, config.hidden}, "output.weight"))
      return error;
  if (llvm::Error error =
          addWeight("final_norm", {config.hidden}, "output_norm.weight"))
    return error;
  addTables();
  for (size_t index = 0; index != config.layers.size(); ++index)
    if (llvm::Error error = addLayer(index))
      return error;
  if (failed(verify(*module)))
    return llvm::createStringError("the model makes no valid recipe");
  return module;
}

} // namespace

llvm::Expected<OwningOpRef<ModuleOp>>
flow::buildRecipe(MLIRContext &context, const GemmaConfig &config,
                  const ModelFile &file) {
  return RecipeBuilder(context, config, file).build();
}
