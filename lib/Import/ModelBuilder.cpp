// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds recipes from configurations.

#include "flow/Import/ModelBuilder.h"

#include "mlir/IR/Builders.h"
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
      .Case("post_ffn_norm", "post_ffw_norm");
}

namespace {

class RecipeBuilder {
public:
  RecipeBuilder(MLIRContext &context, const GemmaConfig &config,
                const GgufReader &file)
      : b(&context), loc(UnknownLoc::get(&context)), config(config),
        file(file) {}

  llvm::Expected<OwningOpRef<ModuleOp>> build();

private:
  llvm::Error addWeight(StringRef symbol, ArrayRef<int64_t> shape,
                        StringRef tensor);
  llvm::Error addLayer(int64_t index);
  void addTables();
  /// Whether all layers rotate alike.
  bool hasOneTable() const {
    return config.ropeThetaLocal == config.ropeThetaGlobal &&
           config.ropeFactor == 1;
  }
  StringRef tableOf(int64_t index) const {
    return hasOneTable()             ? "rope"
           : config.isSliding(index) ? "rope_local"
                                     : "rope_global";
  }

  OpBuilder b;
  Location loc;
  const GemmaConfig &config;
  const GgufReader &file;
};

llvm::Error RecipeBuilder::addWeight(StringRef symbol, ArrayRef<int64_t> shape,
                                     StringRef tensor) {
  const GgufTensor *found = file.findTensor(tensor);
  if (!found)
    return llvm::createStringError("tensor '" + tensor + "' is missing");
  std::optional<Storage> storage =
      symbolizeStorage(StringRef(ggml::typeName(found->type)).lower());
  if (!storage)
    return llvm::createStringError("tensor '" + tensor + "' is stored as " +
                                   ggml::typeName(found->type).data() +
                                   ", which cannot be computed with");
  WeightOp::create(b, loc, symbol, RankedTensorType::get(shape, b.getF32Type()),
                   *storage, b.getStringAttr(tensor), /*unit_offset=*/false);
  return llvm::Error::success();
}

void RecipeBuilder::addTables() {
  auto table = [&](StringRef name, double theta, double factor) {
    RopeTableOp::create(b, loc, name, llvm::APFloat(theta), config.headDim,
                        /*pairs=*/nullptr, llvm::APFloat(factor));
  };
  if (hasOneTable())
    return table("rope", shortest(config.ropeThetaGlobal), 1.0);
  table("rope_local", shortest(config.ropeThetaLocal), 1.0);
  table("rope_global", shortest(config.ropeThetaGlobal),
        shortest(config.ropeFactor));
}

llvm::Error RecipeBuilder::addLayer(int64_t index) {
  std::string number = std::to_string(index);
  MLIRContext *context = b.getContext();
  double scale = shortest(config.attentionScale);
  // The usual scale is not written: a recipe states what is special.
  if (scale == shortest(1.0f / std::sqrt(static_cast<float>(config.headDim))))
    scale = 0;
  auto spec = AttentionSpecAttr::get(
      context, config.heads, config.kvHeads, config.headDim,
      llvm::APFloat(scale), llvm::APFloat(shortest(config.attentionSoftcap)),
      config.qkNorm,
      /*v_norm=*/false, /*k_eq_v=*/false);
  auto mask = MaskAttr::get(context, MaskPattern::Causal,
                            config.isSliding(index) ? config.window : 0);
  auto norms = config.postNorms ? NormPlacement::Sandwich : NormPlacement::Pre;
  std::string cache = "kv" + number;
  KvCacheOp::create(b, loc, cache, config.kvHeads, config.headDim,
                    /*ring=*/nullptr);
  auto layer =
      LayerOp::create(b, loc, "layer" + number, norms, spec, mask,
                      tableOf(index), FlatSymbolRefAttr::get(context, cache),
                      FeedForwardAttr::get(context, config.ffn, 0, 0, 0));
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&layer.getBody());
  for (const WeightRole &role : getWeightRoles(layer))
    if (llvm::Error error = addWeight(
            role.name, role.shape,
            ("blk." + number + "." + tensorNameOf(role.name) + ".weight")
                .str()))
      return error;
  return llvm::Error::success();
}

llvm::Expected<OwningOpRef<ModuleOp>> RecipeBuilder::build() {
  b.getContext()->loadDialect<FlowDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(module->getBody());
  auto hyper =
      HyperAttr::get(b.getContext(), config.hidden, config.vocab,
                     config.context, llvm::APFloat(shortest(config.eps)),
                     llvm::APFloat(shortest(config.finalSoftcap)));
  auto model = ModelOp::create(b, loc, "gemma", hyper,
                               /*bf16_embedding_scale=*/false);
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
  for (int64_t index = 0; index != config.layers; ++index)
    if (llvm::Error error = addLayer(index))
      return error;
  if (failed(verify(*module)))
    return llvm::createStringError("the model makes no valid recipe");
  return module;
}

} // namespace

llvm::Expected<OwningOpRef<ModuleOp>>
flow::buildRecipe(MLIRContext &context, const GemmaConfig &config,
                  const GgufReader &file) {
  return RecipeBuilder(context, config, file).build();
}
