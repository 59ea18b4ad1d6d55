// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Opens Hugging Face folders and finds tensors in them.

#include "flow/Import/HfModel.h"

#include "ConfigChecks.h"
#include "HfGeneration.h"
#include "HfTokenizer.h"
#include "MappedFile.h"
#include "Quote.h"
#include "SentencePiece.h"

#include "flow/Import/TokenizerData.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

using namespace flow;

static constexpr llvm::StringLiteral kConfigFile = "config.json",
                                     kWeightsFile = "model.safetensors",
                                     kIndexFile =
                                         "model.safetensors.index.json",
                                     kTokenizerFile = "tokenizer.json",
                                     kPiecesFile = "tokenizer.model",
                                     kGenerationFile = "generation_config.json";

static std::string pathIn(llvm::StringRef folder, llvm::StringRef name) {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// `name` without what stands before the text decoder's own names; nothing for
/// a tensor of another part of the model.
static std::optional<llvm::StringRef> nameInDecoder(llvm::StringRef name) {
  llvm::StringRef rest = name;
  // The longest first: one begins with another.
  for (llvm::StringRef prefix :
       {"model.language_model.", "language_model.model.", "model."})
    if (rest.consume_front(prefix))
      break;
  for (llvm::StringRef other :
       {"vision_tower.", "audio_tower.", "multi_modal_projector.",
        "embed_vision.", "embed_audio.", "vision_embedder."})
    if (rest.starts_with(other))
      return std::nullopt;
  rest.consume_front("language_model."); // before the head of a whole model
  return rest;
}

/// What Hugging Face calls a tensor of a layer, after "layers.N.".
static llvm::StringRef layerName(llvm::StringRef gguf, bool postNorms) {
  return llvm::StringSwitch<llvm::StringRef>(gguf)
      .Case("attn_norm.weight", "input_layernorm.weight")
      .Case("attn_q.weight", "self_attn.q_proj.weight")
      .Case("attn_k.weight", "self_attn.k_proj.weight")
      .Case("attn_v.weight", "self_attn.v_proj.weight")
      .Case("attn_q_norm.weight", "self_attn.q_norm.weight")
      .Case("attn_k_norm.weight", "self_attn.k_norm.weight")
      .Case("attn_output.weight", "self_attn.o_proj.weight")
      .Case("post_attention_norm.weight", "post_attention_layernorm.weight")
      // Gemma 1 calls the norm before its MLP by where it stands.
      .Case("ffn_norm.weight", postNorms ? "pre_feedforward_layernorm.weight"
                                         : "post_attention_layernorm.weight")
      .Case("ffn_gate.weight", "mlp.gate_proj.weight")
      .Case("ffn_up.weight", "mlp.up_proj.weight")
      .Case("ffn_down.weight", "mlp.down_proj.weight")
      .Case("post_ffw_norm.weight", "post_feedforward_layernorm.weight")
      .Case("inp_gate.weight", "per_layer_input_gate.weight")
      .Case("proj.weight", "per_layer_projection.weight")
      .Case("post_norm.weight", "post_per_layer_input_norm.weight")
      .Case("ffn_gate_inp.weight", "router.proj.weight")
      .Case("ffn_gate_inp.scale", "router.scale")
      .Case("ffn_down_exps.scale", "router.per_expert_scale")
      .Case("ffn_gate_up_exps.weight", "experts.gate_up_proj")
      .Case("ffn_down_exps.weight", "experts.down_proj")
      .Case("pre_ffw_norm_2.weight", "pre_feedforward_layernorm_2.weight")
      .Case("post_ffw_norm_1.weight", "post_feedforward_layernorm_1.weight")
      .Case("post_ffw_norm_2.weight", "post_feedforward_layernorm_2.weight")
      .Case("layer_output_scale.weight", "layer_scalar");
}

/// What Hugging Face calls a tensor, without prefix.
static std::string decoderName(llvm::StringRef gguf, bool postNorms) {
  llvm::StringRef rest = gguf;
  if (rest.consume_front("blk.")) {
    auto [number, name] = rest.split('.');
    return ("layers." + number + "." + layerName(name, postNorms)).str();
  }
  return llvm::StringSwitch<std::string>(gguf)
      .Case("token_embd.weight", "embed_tokens.weight")
      .Case("output_norm.weight", "norm.weight")
      .Case("output.weight", "lm_head.weight")
      .Case("per_layer_token_embd.weight", "embed_tokens_per_layer.weight")
      .Case("per_layer_model_proj.weight", "per_layer_model_projection.weight")
      .Case("per_layer_proj_norm.weight", "per_layer_projection_norm.weight")
      .Default(gguf.str());
}

std::string HfModel::nameOf(llvm::StringRef ggufName) const {
  std::string name = decoderName(ggufName, numbers.gemma.postNorms);
  auto found = fullNames.find(name);
  // A tensor that is missing is missed under the name of released files.
  if (found == fullNames.end())
    return name == "lm_head.weight" ? name : numbers.prefix + name;
  return found->second.str();
}

const ModelTensor *HfModel::findTensor(llvm::StringRef name) const {
  auto found = tensorIndex.find(name);
  return found == tensorIndex.end() ? nullptr : &tensorList[found->second];
}

llvm::Error HfModel::addTensor(const SafetensorsTensor &tensor,
                               llvm::StringRef file) {
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError(file + ": tensor " + quoted(tensor.name) +
                                   " " + what);
  };
  std::optional<llvm::StringRef> name = nameInDecoder(tensor.name);
  // Tied heads are written by some; what counts is the embedding.
  if (!name || (*name == "lm_head.weight" && numbers.gemma.tiedHead))
    return llvm::Error::success();
  if (!tensor.type)
    return fail("is stored as " + tensor.dtype + ", expected F32, F16 or BF16");
  if (tensor.dims.empty())
    return fail("has no dimension, expected one at least");
  if (!fullNames.try_emplace(*name, tensor.name).second)
    return fail("is there twice, as " + quoted(fullNames[*name]) + " too");
  tensorIndex[tensor.name] = tensorList.size();
  tensorList.push_back(
      {tensor.name, *tensor.type, tensor.dims, tensor.data, tensor.bytes});
  return llvm::Error::success();
}

llvm::Error HfModel::addFile(const std::string &name, const ShardIndex *index,
                             size_t place) {
  std::string path = pathIn(folder, name);
  llvm::Expected<std::unique_ptr<SafetensorsReader>> file =
      SafetensorsReader::open(path);
  if (!file)
    return file.takeError();
  for (const SafetensorsTensor &tensor : (*file)->tensors()) {
    if (index) {
      auto found = index->fileOfTensor.find(tensor.name);
      if (found == index->fileOfTensor.end() || found->second != place)
        return llvm::createStringError(
            path + ": tensor " + quoted(tensor.name) + " is not in this file " +
            "by the index");
    }
    if (llvm::Error error = addTensor(tensor, path))
      return error;
  }
  files.push_back(std::move(*file));
  return llvm::Error::success();
}

llvm::Error HfModel::openFiles() {
  std::string indexPath = pathIn(folder, kIndexFile);
  // As Hugging Face does: one file goes before an index.
  if (llvm::sys::fs::exists(pathIn(folder, kWeightsFile)))
    return addFile(kWeightsFile.str(), nullptr, 0);
  if (!llvm::sys::fs::exists(indexPath))
    return llvm::createStringError(llvm::Twine(folder) + ": has neither " +
                                   kWeightsFile + " nor " + kIndexFile);
  llvm::Expected<ShardIndex> index = readShardIndex(indexPath);
  if (!index)
    return index.takeError();
  size_t count = 0;
  for (auto [place, name] : llvm::enumerate(index->files)) {
    if (llvm::Error error = addFile(name, &*index, place))
      return error;
    count += files.back()->tensors().size();
  }
  // Every tensor of a file is in the index, once: only fewer are possible.
  if (count == index->fileOfTensor.size())
    return llvm::Error::success();
  llvm::StringSet<> there;
  for (const auto &file : files)
    for (const SafetensorsTensor &tensor : file->tensors())
      there.insert(tensor.name);
  for (const auto &entry : index->fileOfTensor)
    if (!there.contains(entry.first()))
      return llvm::createStringError(
          indexPath + ": tensor " + quoted(entry.first()) +
          " is not in the file " + index->files[entry.second]);
  return llvm::Error::success();
}

llvm::Error HfModel::readConfig(llvm::StringRef path) {
  auto text = mapFile(path, 2, "JSON file");
  if (!text)
    return text.takeError();
  llvm::StringRef bytes(text->const_data(), text->size());
  llvm::Expected<HfConfig> config = parseHfConfig(bytes, path);
  if (!config)
    return config.takeError();
  numbers = std::move(*config);
  digest = llvm::xxh3_64bits(bytes);
  return llvm::Error::success();
}

void HfModel::inventTensors() {
  for (const ExpectedTensor &expected : expectedTensors(numbers.gemma)) {
    if (expected.isDead)
      continue;
    std::string name = nameOf(expected.ggufName);
    // The index keeps the text that the tensor's name refers to.
    auto entry = tensorIndex.try_emplace(name, tensorList.size()).first;
    ggml::TypeInfo info =
        *ggml::typeInfo(static_cast<uint32_t>(numbers.storage));
    uint64_t bytes = info.blockBytes;
    for (int64_t dim : expected.dims)
      bytes *= dim;
    tensorList.push_back({entry->first(), numbers.storage, expected.dims,
                          /*data=*/nullptr, bytes});
  }
}

void HfModel::digestTensors() {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << digest;
  for (const ExpectedTensor &expected : expectedTensors(numbers.gemma)) {
    if (expected.isDead)
      continue;
    const ModelTensor *tensor = findTensor(nameOf(expected.ggufName));
    out << '\n' << tensor->name << ' ' << ggml::typeName(tensor->type).data();
    for (int64_t dim : tensor->dims)
      out << ' ' << dim;
  }
  digest = llvm::xxh3_64bits(text);
}

bool HfModel::hasBf16EmbeddingScale() const {
  return findTensor(nameOf("token_embd.weight"))->type == ggml::Type::BF16;
}

llvm::Expected<std::unique_ptr<HfModel>> HfModel::open(llvm::StringRef folder) {
  std::unique_ptr<HfModel> model(new HfModel);
  model->folder = folder.str();
  if (llvm::Error error = model->readConfig(pathIn(folder, kConfigFile)))
    return std::move(error);
  if (llvm::Error error = model->openFiles())
    return std::move(error);
  if (llvm::Error error = checkTensors(model->numbers.gemma, *model,
                                       /*tensorsDecide=*/false))
    return std::move(error);
  model->digestTensors();
  return model;
}

llvm::Expected<std::unique_ptr<HfModel>>
HfModel::openConfiguration(llvm::StringRef path) {
  std::unique_ptr<HfModel> model(new HfModel);
  model->folder = path.str();
  if (llvm::Error error = model->readConfig(path))
    return std::move(error);
  model->inventTensors();
  model->digestTensors();
  return model;
}

/// The merges of a Gemma 4 are in no tokenizer.model.
bool HfModel::hasPieces() const {
  return numbers.gemma.architecture != "gemma4" &&
         llvm::sys::fs::exists(pathIn(folder, kPiecesFile));
}

bool HfModel::hasTokenizer() const {
  return llvm::sys::fs::exists(pathIn(folder, kTokenizerFile)) || hasPieces();
}

llvm::Expected<TokenizerData> HfModel::readTokenizer(int64_t vocab) const {
  if (!hasTokenizer())
    return llvm::createStringError(llvm::Twine(folder) + ": has no " +
                                   kTokenizerFile +
                                   (numbers.gemma.architecture == "gemma4"
                                        ? std::string(", which a Gemma 4 needs")
                                        : (" and no " + kPiecesFile).str()));
  llvm::Expected<HfGeneration> generation = readGeneration(vocab);
  if (!generation)
    return generation.takeError();
  HfConfig config = numbers;
  if (generation->eos)
    config.eos = std::move(*generation->eos);
  std::string path = pathIn(folder, kTokenizerFile);
  bool isJson = llvm::sys::fs::exists(path);
  if (!isJson)
    path = pathIn(folder, kPiecesFile);
  auto text = mapFile(path, 2, isJson ? "JSON file" : "SentencePiece model");
  if (!text)
    return text.takeError();
  llvm::StringRef bytes(text->const_data(), text->size());
  return isJson ? parseHfTokenizer(bytes, path, config, vocab)
                : parseSentencePiece(bytes, path, config, vocab);
}

llvm::Expected<HfGeneration> HfModel::readGeneration(int64_t vocab) const {
  std::string path = pathIn(folder, kGenerationFile);
  if (!llvm::sys::fs::exists(path))
    return HfGeneration();
  auto text = mapFile(path, 2, "JSON file");
  if (!text)
    return text.takeError();
  return parseHfGeneration(llvm::StringRef(text->const_data(), text->size()),
                           path, vocab);
}

llvm::Expected<std::vector<int32_t>>
HfModel::readSuppressedTokens(int64_t vocab) const {
  llvm::Expected<HfGeneration> generation = readGeneration(vocab);
  if (!generation)
    return generation.takeError();
  return std::move(generation->suppressed);
}
