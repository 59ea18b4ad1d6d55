// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Folders are models, whole or in shards, and wrong ones are refused by name.

#include "TestHfModels.h"

#include "flow/Import/ModelBuilder.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/STLExtras.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

constexpr llvm::StringLiteral kWeights = "model.safetensors",
                              kIndex = "model.safetensors.index.json";

/// A folder of a Gemma 3 with these tensors.
class ModelFolder : public TestFolder {
public:
  explicit ModelFolder(const std::vector<NamedShape> &tensors = hfTensors(),
                       llvm::StringRef keys = "") {
    write("config.json", hfConfig("gemma3_text", keys));
    write(kWeights, hfWeights(tensors));
  }
  std::unique_ptr<HfModel> open() {
    return llvm::cantFail(HfModel::open(path()));
  }
  /// The message over the folder, without the name of the file of weights.
  std::string error() {
    return folderMessage(HfModel::open(path()), *this, "model.safetensors: ");
  }
};

std::string errorOf(const std::vector<NamedShape> &tensors,
                    llvm::StringRef keys = "") {
  return ModelFolder(tensors, keys).error();
}

/// The tensors but one, with one more, and with one of another shape.
std::vector<NamedShape> without(llvm::StringRef name) {
  std::vector<NamedShape> tensors = hfTensors();
  llvm::erase_if(
      tensors, [&](const NamedShape &tensor) { return tensor.first == name; });
  return tensors;
}
std::vector<NamedShape> plus(NamedShape tensor) {
  std::vector<NamedShape> tensors = hfTensors();
  tensors.push_back(std::move(tensor));
  return tensors;
}
std::vector<NamedShape> reshaped(llvm::StringRef name,
                                 std::vector<int64_t> dims) {
  std::vector<NamedShape> tensors = without(name);
  tensors.push_back({name.str(), std::move(dims)});
  return tensors;
}

/// The recipe of a model, and the weight of a name in its first layer.
class Recipe {
public:
  explicit Recipe(const HfModel &model)
      : module(llvm::cantFail(buildRecipe(context, model.config(), model))) {}
  ModelOp model() { return *module->getOps<ModelOp>().begin(); }
  std::string text() {
    std::string result;
    llvm::raw_string_ostream(result) << *module;
    return result;
  }
  WeightOp weight(llvm::StringRef name) {
    return model().lookupSymbol<LayerOp>("layer0").lookupSymbol<WeightOp>(name);
  }

private:
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace

TEST(HfModel, TensorsByTheirNames) {
  ModelFolder folder;
  std::unique_ptr<HfModel> model = folder.open();
  EXPECT_EQ(model->config().hidden, 16);
  EXPECT_EQ(model->tensors().size(), hfTensors().size());
  EXPECT_EQ(model->nameOf("token_embd.weight"), "model.embed_tokens.weight");
  EXPECT_EQ(model->nameOf("blk.1.attn_q.weight"),
            "model.layers.1.self_attn.q_proj.weight");
  const ModelTensor *tensor =
      model->findTensor("model.layers.1.self_attn.q_proj.weight");
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor->type, ggml::Type::F32);
  EXPECT_EQ(llvm::ArrayRef<int64_t>(tensor->dims),
            llvm::ArrayRef<int64_t>({32, 16}));
  EXPECT_FALSE(model->findTensor("layers.1.self_attn.q_proj.weight"));
}

// T5
TEST(HfModel, AnyPrefixAndOtherPartsLeftOut) {
  for (std::string prefix :
       {"model.", "model.language_model.", "language_model.model.", ""}) {
    std::vector<NamedShape> tensors = hfTensors(prefix);
    for (const char *other :
         {"vision_tower.patch.weight", "model.vision_tower.patch.weight",
          "multi_modal_projector.mm.weight", "audio_tower.conv.weight",
          "model.embed_audio.x", "model.embed_vision.x"})
      tensors.push_back({other, {3, 3, 2, 2}});
    ModelFolder folder(tensors);
    std::unique_ptr<HfModel> model = folder.open();
    EXPECT_EQ(model->tensors().size(), hfTensors().size());
    EXPECT_EQ(model->nameOf("output_norm.weight"), prefix + "norm.weight");
  }
}

// T10
TEST(HfModel, RecipeOfOffsetNorms) {
  ModelFolder folder;
  std::unique_ptr<HfModel> model = folder.open();
  Recipe recipe(*model);
  for (llvm::StringRef norm :
       {"attention_norm", "q_norm", "k_norm", "post_attention_norm", "ffn_norm",
        "post_ffn_norm"})
    EXPECT_TRUE(recipe.weight(norm).getUnitOffset()) << norm.str();
  for (llvm::StringRef matrix : {"q", "k", "v", "o", "gate", "up", "down"})
    EXPECT_FALSE(recipe.weight(matrix).getUnitOffset()) << matrix.str();
  EXPECT_EQ(recipe.weight("ffn_norm").getFrom(),
            "model.layers.0.pre_feedforward_layernorm.weight");
  EXPECT_EQ(recipe.weight("post_attention_norm").getFrom(),
            "model.layers.0.post_attention_layernorm.weight");
  EXPECT_FALSE(recipe.model().getBf16EmbeddingScale());
}

TEST(HfModel, FactorOfBf16Embeddings) {
  ModelFolder folder;
  folder.write(kWeights, hfWeights(hfTensors(), "BF16"));
  std::unique_ptr<HfModel> model = folder.open();
  EXPECT_TRUE(model->hasBf16EmbeddingScale());
  EXPECT_TRUE(Recipe(*model).model().getBf16EmbeddingScale());
  folder.write(kWeights, hfWeights(hfTensors(), "F16"));
  EXPECT_FALSE(folder.open()->hasBf16EmbeddingScale());
}

TEST(HfModel, TheNormOfGemma1BeforeItsMlp) {
  std::vector<NamedShape> tensors;
  for (const NamedShape &tensor : hfTensors()) {
    llvm::StringRef name = tensor.first;
    if (!name.contains("_norm.") && !name.contains("feedforward"))
      tensors.push_back(tensor);
  }
  ModelFolder folder(tensors);
  folder.write("config.json", hfConfig("gemma"));
  std::unique_ptr<HfModel> model = folder.open();
  EXPECT_EQ(Recipe(*model).weight("ffn_norm").getFrom(),
            "model.layers.0.post_attention_layernorm.weight");
}

TEST(HfModel, RecipeOfGemma4) {
  std::vector<NamedShape> tensors;
  for (auto &[name, dims] : hfTensors("model.language_model.")) {
    // The second layer is full: one head of keys, which are values too.
    bool isFull = name.find("layers.1.") != std::string::npos;
    if (isFull && name.find("v_proj") != std::string::npos)
      continue;
    if (isFull && name.find("k_proj") != std::string::npos)
      dims = {32, 16};
    if (isFull && name.find("q_proj") != std::string::npos)
      dims = {128, 16};
    if (isFull && name.find("o_proj") != std::string::npos)
      dims = {16, 128};
    if (isFull && (name.find("q_norm") != std::string::npos ||
                   name.find("k_norm") != std::string::npos))
      dims = {32};
    tensors.push_back({name, dims});
  }
  for (int i = 0; i != 2; ++i)
    tensors.push_back(
        {"model.language_model.layers." + std::to_string(i) + ".layer_scalar",
         {1}});
  ModelFolder folder(tensors);
  folder.write("config.json", hfConfig("gemma4_text", R"(
      "global_head_dim":32,"num_global_key_value_heads":1,
      "attention_k_eq_v":true,"hidden_size_per_layer_input":0)"));
  std::unique_ptr<HfModel> model = folder.open();
  EXPECT_FALSE(model->hasUnitOffset());
  Recipe recipe(*model);
  EXPECT_FALSE(recipe.weight("attention_norm").getUnitOffset());
  EXPECT_EQ(recipe.weight("layer_scalar").getFrom(),
            "model.language_model.layers.0.layer_scalar");
}

// T5
TEST(HfModel, TensorsThatAreWrong) {
  EXPECT_THAT(errorOf(without("model.norm.weight")),
              HasSubstr("tensor 'model.norm.weight' is missing, expected shape "
                        "16"));
  EXPECT_THAT(errorOf(without("model.embed_tokens.weight")),
              HasSubstr("tensor 'model.embed_tokens.weight' is missing"));
  EXPECT_THAT(errorOf(without("model.layers.1.mlp.up_proj.weight")),
              HasSubstr("'model.layers.1.mlp.up_proj.weight' is missing"));
  EXPECT_THAT(
      errorOf(reshaped("model.layers.0.self_attn.q_proj.weight", {16, 32})),
      HasSubstr("tensor 'model.layers.0.self_attn.q_proj.weight' has "
                "shape 16x32, expected 32x16"));
  EXPECT_THAT(errorOf(reshaped("model.embed_tokens.weight", {301, 16})),
              HasSubstr("tensor 'model.embed_tokens.weight' has shape 301x16, "
                        "expected 300x16"));
  EXPECT_THAT(errorOf(plus({"model.layers.0.self_attn.q_proj.bias", {32}})),
              HasSubstr("tensor 'model.layers.0.self_attn.q_proj.bias' has no "
                        "place in a gemma3 model"));
  EXPECT_EQ(errorOf(plus({"language_model.model.norm.weight", {16}})),
            "tensor 'language_model.model.norm.weight' is there twice, as "
            "'model.norm.weight' too");
  EXPECT_EQ(errorOf(plus({"model.scale", {}})),
            "tensor 'model.scale' has no dimension, expected one at least");
}

// T5: all that is wrong is named at once, each with what is expected.
TEST(HfModel, AllTensorsThatAreWrong) {
  std::vector<NamedShape> tensors = without("model.norm.weight");
  for (auto &[name, dims] : tensors)
    if (name == "model.layers.1.mlp.down_proj.weight")
      dims = {24, 16};
  tensors.push_back({"model.layers.2.input_layernorm.weight", {16}});
  EXPECT_THAT(errorOf(tensors),
              HasSubstr("3 tensors are not those of the configuration:\n"
                        "  tensor 'model.norm.weight' is missing, expected "
                        "shape 16\n"
                        "  tensor 'model.layers.1.mlp.down_proj.weight' has "
                        "shape 24x16, expected 16x24\n"
                        "  tensor 'model.layers.2.input_layernorm.weight' has "
                        "no place in a gemma3 model"));
}

TEST(HfModel, ElementTypesThatAreNotComputedWith) {
  ModelFolder folder;
  folder.write(kWeights, hfWeights(hfTensors(), "F8_E4M3"));
  EXPECT_THAT(folder.error(),
              HasSubstr("is stored as F8_E4M3, expected F32, F16 or BF16"));
  SafetensorsBuilder builder;
  for (const auto &[name, dims] : hfTensors())
    builder.add(name, dims);
  builder.add("vision_tower.ids", {4}, "U8");
  folder.write(kWeights, builder.bytes());
  EXPECT_EQ(folder.error(), "no error");
}

TEST(HfModel, Heads) {
  std::vector<NamedShape> tensors = plus({"lm_head.weight", {300, 16}});
  EXPECT_EQ(errorOf(tensors), "no error") << "a tied head may be written";
  EXPECT_EQ(errorOf(tensors, "\"tie_word_embeddings\":false"), "no error");
  ModelFolder folder(tensors, "\"tie_word_embeddings\":false");
  std::unique_ptr<HfModel> model = folder.open();
  EXPECT_EQ(Recipe(*model).model().lookupSymbol<WeightOp>("head").getFrom(),
            "lm_head.weight");
  EXPECT_THAT(errorOf(hfTensors(), "\"tie_word_embeddings\":false"),
              HasSubstr("tensor 'lm_head.weight' is missing"));
  // As whole models have it.
  EXPECT_EQ(errorOf(plus({"language_model.lm_head.weight", {300, 16}}),
                    "\"tie_word_embeddings\":false"),
            "no error");
}

TEST(HfModel, FilesThatAreMissing) {
  TestFolder folder;
  EXPECT_THAT(folderMessage(HfModel::open(folder.path()), folder),
              StartsWith("config.json: cannot be read"));
  folder.write("config.json", hfConfig("gemma3_text"));
  EXPECT_EQ(folderMessage(HfModel::open(folder.path()), folder),
            ": has neither model.safetensors nor model.safetensors.index.json");
  folder.write("config.json", hfConfig("llama"));
  EXPECT_THAT(folderMessage(HfModel::open(folder.path()), folder),
              StartsWith("config.json: key 'model_type' is 'llama'"));
}

TEST(HfModel, Shards) {
  std::vector<NamedShape> tensors = hfTensors();
  auto half = tensors.begin() + 7;
  TestFolder folder;
  folder.write("config.json", hfConfig("gemma3_text"));
  folder.write("a.safetensors", hfWeights({tensors.begin(), half}));
  folder.write("b.safetensors", hfWeights({half, tensors.end()}));
  auto indexOf = [&](std::vector<NamedShape> all, size_t inFirst) {
    std::string map;
    for (auto [i, tensor] : llvm::enumerate(all))
      map += (i ? ",\"" : "\"") + tensor.first + "\":\"" +
             (i < inFirst ? "a" : "b") + ".safetensors\"";
    return "{\"weight_map\":{" + map + "}}";
  };
  auto error = [&] {
    return folderMessage(HfModel::open(folder.path()), folder);
  };
  folder.write(kIndex, indexOf(tensors, 7));
  EXPECT_EQ(error(), "no error");
  EXPECT_EQ(llvm::cantFail(HfModel::open(folder.path()))->tensors().size(),
            tensors.size());

  folder.write(kIndex, indexOf(tensors, 8));
  EXPECT_THAT(error(), HasSubstr("is not in this file by the index"));
  std::vector<NamedShape> fewer = tensors;
  fewer.pop_back();
  folder.write(kIndex, indexOf(fewer, 7));
  EXPECT_EQ(error(), "b.safetensors: tensor "
                     "'model.layers.1.mlp.down_proj.weight' is not in this "
                     "file by the index");
  folder.write(kIndex, indexOf(plus({"lost", {1}}), 7));
  EXPECT_EQ(error(), "model.safetensors.index.json: tensor 'lost' is not in "
                     "the file b.safetensors");
  folder.write(kIndex, R"({"weight_map":{"t":"c.safetensors"}})");
  EXPECT_THAT(error(), StartsWith("c.safetensors: cannot be read"));
}

TEST(HfModel, TheDigestIsOfConfigurationAndHeaders) {
  ModelFolder folder;
  uint64_t first = folder.open()->headerDigest();
  EXPECT_EQ(first, ModelFolder().open()->headerDigest());
  EXPECT_NE(
      first,
      ModelFolder(hfTensors(), "\"rms_norm_eps\":1e-5").open()->headerDigest());
  folder.write(kWeights, hfWeights(hfTensors(), "BF16"));
  EXPECT_NE(first, folder.open()->headerDigest());
}

// A configuration alone makes the same recipe as the folder, and code for it is
// code for the folder.
TEST(HfModel, AConfigurationAlone) {
  ModelFolder folder(hfTensors(), "\"torch_dtype\":\"float16\"");
  folder.write(kWeights, hfWeights(hfTensors(), "F16"));
  std::string path = folder.path("config.json");
  std::unique_ptr<HfModel> whole = folder.open();
  std::unique_ptr<HfModel> alone =
      llvm::cantFail(HfModel::openConfiguration(path));
  EXPECT_EQ(alone->path(), path);
  ASSERT_EQ(alone->tensors().size(), whole->tensors().size());
  for (const ModelTensor &tensor : alone->tensors()) {
    const ModelTensor *other = whole->findTensor(tensor.name);
    ASSERT_TRUE(other) << tensor.name.str();
    EXPECT_EQ(tensor.type, other->type);
    EXPECT_EQ(tensor.dims, other->dims);
    EXPECT_EQ(tensor.bytes, other->bytes);
    EXPECT_EQ(tensor.data, nullptr);
    EXPECT_EQ(alone->findTensor(tensor.name), &tensor);
  }
  EXPECT_FALSE(alone->hasTokenizer());
  EXPECT_EQ(alone->headerDigest(), whole->headerDigest());
  EXPECT_EQ(Recipe(*alone).text(), Recipe(*whole).text());
  // Norms in another type are code of another kind.
  folder.write(kWeights, hfWeights(hfTensors(), "BF16"));
  EXPECT_NE(alone->headerDigest(), folder.open()->headerDigest());
}

TEST(HfModel, AConfigurationNamesTensorsAsReleasedFilesDo) {
  auto nameIn = [](llvm::StringRef config) {
    TestFolder folder;
    folder.write("config.json", config);
    return llvm::cantFail(
               HfModel::openConfiguration(folder.path("config.json")))
        ->tensors()
        .front()
        .name.str();
  };
  EXPECT_EQ(nameIn(hfConfig("gemma")), "model.embed_tokens.weight");
  EXPECT_EQ(nameIn(hfConfig("gemma3_text")), "model.embed_tokens.weight");
  EXPECT_EQ(nameIn("{\"model_type\":\"gemma3\",\"text_config\":{}}"),
            "language_model.model.embed_tokens.weight");
  for (std::string type : {"gemma4", "gemma4_unified"})
    EXPECT_EQ(nameIn("{\"model_type\":\"" + type + "\",\"text_config\":{}}"),
              "model.language_model.embed_tokens.weight");
}

// T5: dead keys and values of layers that share are no part of the model.
TEST(HfModel, AConfigurationHasNoDeadTensors) {
  TestFolder folder;
  folder.write("config.json", hfConfig("gemma4_text", R"(
      "num_kv_shared_layers":1,"hidden_size_per_layer_input":8,
      "layer_types":["full_attention","full_attention"])"));
  std::unique_ptr<HfModel> model =
      llvm::cantFail(HfModel::openConfiguration(folder.path("config.json")));
  for (const char *name : {"k_proj.weight", "v_proj.weight", "k_norm.weight"}) {
    std::string layer = "model.layers.0.self_attn.";
    EXPECT_TRUE(model->findTensor(layer + name)) << name;
    layer = "model.layers.1.self_attn.";
    EXPECT_FALSE(model->findTensor(layer + name)) << name;
  }
  const ModelTensor *table =
      model->findTensor("model.embed_tokens_per_layer.weight");
  ASSERT_TRUE(table);
  EXPECT_EQ(llvm::ArrayRef<int64_t>(table->dims),
            llvm::ArrayRef<int64_t>({300, 16}));
  EXPECT_EQ(table->bytes, 2u * 300 * 16);
}

TEST(HfModel, AConfigurationThatIsNone) {
  TestFolder folder;
  EXPECT_THAT(
      folderMessage(HfModel::openConfiguration(folder.path("config.json")),
                    folder),
      HasSubstr("config.json: cannot be read"));
  folder.write("config.json", "{\"model_type\":\"llama\"}");
  EXPECT_THAT(
      folderMessage(HfModel::openConfiguration(folder.path("config.json")),
                    folder),
      StartsWith("config.json: key 'model_type' is 'llama'"));
}
