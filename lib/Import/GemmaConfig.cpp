// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads Gemma configurations from GGUF metadata and checks tensors against
// them.

#include "flow/Import/GemmaConfig.h"

#include "Quote.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"

#include <cmath>

using namespace flow;

namespace {

/// Bounds that any decoder of this kind keeps by far; they keep products of
/// two such numbers within 64 bits.
constexpr int64_t kMaxLayers = 512, kMaxWidth = 1 << 20, kMaxVocab = 1 << 24,
                  kMaxContext = 1 << 28;

/// What a generation has that its files do not say.
struct Generation {
  llvm::StringRef architecture, name;
  /// Norms after both branches, and on query and key heads.
  bool postNorms, qkNorm;
  /// Layers are windowed but for every `period`-th, unless the file says
  /// otherwise; 0 = no windows at all.
  int64_t period;
  /// Rotary base of full and of windowed layers, where not given.
  float thetaGlobal, thetaLocal;
  /// Caps that a file may leave out.
  float attentionSoftcap, finalSoftcap;
  /// Layers of the one size whose scale is `(hidden / heads)^-1/2` rather than
  /// `headDim^-1/2`; 0 = no such size.
  int64_t layersOf27B;
};

constexpr Generation kGenerations[] = {
    {"gemma", "Gemma 1", false, false, 0, 1e4f, 1e4f, 0, 0, 0},
    {"gemma2", "Gemma 2", true, false, 2, 1e4f, 1e4f, 50, 30, 46},
    {"gemma3", "Gemma 3", true, true, 6, 1e6f, 1e4f, 0, 0, 62},
};

class ConfigReader {
public:
  explicit ConfigReader(const GgufReader &file) : file(file) {}
  llvm::Expected<GemmaConfig> read();

private:
  llvm::Error fail(const llvm::Twine &what) const {
    return llvm::createStringError(file.path() + ": " + what);
  }
  std::string key(llvm::StringRef name) const {
    return (config.architecture + "." + name).str();
  }
  /// A number that must be there.
  llvm::Error integer(llvm::StringRef name, int64_t &out, int64_t high,
                      std::optional<int64_t> otherwise = std::nullopt);
  /// As `integer`, of a key that may also give one number for each layer. No
  /// Gemma before the fourth has layers that differ in it.
  llvm::Error sharedInteger(llvm::StringRef name, int64_t &out, int64_t high);
  llvm::Error number(llvm::StringRef name, float &out,
                     std::optional<float> otherwise);
  /// The array `name`, which must have an entry for each layer.
  llvm::Expected<std::vector<int64_t>> layerIntegers(llvm::StringRef name);
  /// A number that a file may state again must be `expected`.
  llvm::Error agree(llvm::StringRef name, int64_t expected);
  llvm::Error readNumbers();
  llvm::Error readRope();
  llvm::Error readPattern();
  llvm::Error checkTensors();

  const GgufReader &file;
  const Generation *generation = nullptr;
  GemmaConfig config;
};

llvm::Error ConfigReader::integer(llvm::StringRef name, int64_t &out,
                                  int64_t high,
                                  std::optional<int64_t> otherwise) {
  llvm::Expected<std::optional<int64_t>> value = file.getInteger(key(name));
  if (!value)
    return value.takeError();
  if (!*value && !otherwise)
    return fail("key '" + key(name) + "' is missing");
  out = *value ? **value : *otherwise;
  if (out < 1 || out > high)
    return fail("key '" + key(name) + "' must lie in 1 to " +
                llvm::Twine(high) + ", found " + llvm::Twine(out));
  return llvm::Error::success();
}

llvm::Expected<std::vector<int64_t>>
ConfigReader::layerIntegers(llvm::StringRef name) {
  llvm::Expected<std::optional<std::vector<int64_t>>> values =
      file.getIntegers(key(name));
  if (!values)
    return values.takeError();
  if (static_cast<int64_t>((*values)->size()) != config.layers)
    return fail("key '" + key(name) + "' has " +
                llvm::Twine((*values)->size()) + " entries, expected " +
                llvm::Twine(config.layers) + ", one for each layer");
  return std::move(**values);
}

llvm::Error ConfigReader::sharedInteger(llvm::StringRef name, int64_t &out,
                                        int64_t high) {
  if (!file.isArray(key(name)))
    return integer(name, out, high);
  llvm::Expected<std::vector<int64_t>> values = layerIntegers(name);
  if (!values)
    return values.takeError();
  out = values->front();
  for (int64_t value : *values)
    if (value < 1 || value > high || value != out)
      return fail("key '" + key(name) +
                  "' must hold the same number for each layer, in 1 to " +
                  llvm::Twine(high) + ", found " + llvm::Twine(out) + " and " +
                  llvm::Twine(value));
  return llvm::Error::success();
}

llvm::Error ConfigReader::agree(llvm::StringRef name, int64_t expected) {
  llvm::Expected<std::optional<int64_t>> value = file.getInteger(key(name));
  if (!value)
    return value.takeError();
  if (*value && **value != expected)
    return fail("key '" + key(name) + "' is " + llvm::Twine(**value) +
                ", expected " + llvm::Twine(expected));
  return llvm::Error::success();
}

llvm::Error ConfigReader::number(llvm::StringRef name, float &out,
                                 std::optional<float> otherwise) {
  llvm::Expected<std::optional<double>> value = file.getFloat(key(name));
  if (!value)
    return value.takeError();
  if (!*value && !otherwise)
    return fail("key '" + key(name) + "' is missing");
  out = *value ? static_cast<float>(**value) : *otherwise;
  bool given = value->has_value();
  if (given && (!std::isfinite(out) || out <= 0))
    return fail("key '" + key(name) + "' must be finite and positive, found " +
                std::to_string(out));
  return llvm::Error::success();
}

llvm::Error ConfigReader::readNumbers() {
  auto &c = config;
  llvm::Error failed = llvm::Error::success();
  // Stops at the first error, in the order in which a file is written.
  auto step = [&](llvm::Error error) {
    if (failed)
      llvm::consumeError(std::move(error));
    else
      failed = std::move(error);
    return !failed;
  };
  (void)(step(integer("block_count", c.layers, kMaxLayers)) &&
         step(integer("embedding_length", c.hidden, kMaxWidth)) &&
         step(sharedInteger("feed_forward_length", c.ffn, kMaxWidth)) &&
         step(integer("attention.head_count", c.heads, kMaxWidth)) &&
         step(sharedInteger("attention.head_count_kv", c.kvHeads, kMaxWidth)) &&
         step(integer("attention.key_length", c.headDim, kMaxWidth)) &&
         step(integer("context_length", c.context, kMaxContext)) &&
         step(number("attention.layer_norm_rms_epsilon", c.eps, {})) &&
         step(readRope()) &&
         step(number("final_logit_softcapping", c.finalSoftcap,
                     generation->finalSoftcap)) &&
         step(number("attn_logit_softcapping", c.attentionSoftcap,
                     generation->attentionSoftcap)));
  if (failed)
    return failed;
  int64_t valueLength;
  if (llvm::Error error =
          integer("attention.value_length", valueLength, kMaxWidth, c.headDim))
    return error;
  if (valueLength != c.headDim)
    return fail("keys of " + llvm::Twine(c.headDim) + " and values of " +
                llvm::Twine(valueLength) + " differ, which no " +
                generation->name + " has");
  // A head of which only a part is rotated would be another model.
  if (llvm::Error error = agree("rope.dimension_count", c.headDim))
    return error;
  if (c.heads % c.kvHeads != 0)
    return fail(llvm::Twine(c.heads) + " query heads cannot share " +
                llvm::Twine(c.kvHeads) + " key/value heads");
  if (c.headDim % 2 != 0)
    return fail("a head of " + llvm::Twine(c.headDim) +
                " cannot be rotated in pairs");
  double base =
      c.layers == generation->layersOf27B
          ? static_cast<double>(c.hidden) / static_cast<double>(c.heads)
          : static_cast<double>(c.headDim);
  c.attentionScale = static_cast<float>(1.0 / std::sqrt(base));
  c.qkNorm = generation->qkNorm;
  c.postNorms = generation->postNorms;
  return llvm::Error::success();
}

llvm::Error ConfigReader::readRope() {
  auto &c = config;
  if (llvm::Error error =
          number("rope.freq_base", c.ropeThetaGlobal, generation->thetaGlobal))
    return error;
  // Where a generation has one base for all layers, so has the file.
  bool isOne = generation->thetaLocal == generation->thetaGlobal;
  if (llvm::Error error =
          number("rope.freq_base_swa", c.ropeThetaLocal,
                 isOne ? c.ropeThetaGlobal : generation->thetaLocal))
    return error;
  if (llvm::Error error = number("rope.scaling.factor", c.ropeFactor, 1.0f))
    return error;
  auto scaling = file.getString(key("rope.scaling.type"));
  if (!scaling)
    return scaling.takeError();
  if (*scaling && **scaling != "linear" && **scaling != "none")
    return fail("key '" + key("rope.scaling.type") +
                "' must be linear or none, found " + quoted(**scaling));
  if (*scaling && **scaling == "none")
    c.ropeFactor = 1;
  if (isOne && c.ropeFactor != 1)
    return fail("key '" + key("rope.scaling.factor") + "' scales angles by " +
                std::to_string(c.ropeFactor) + ", which no " +
                generation->name + " does");
  return llvm::Error::success();
}

llvm::Error ConfigReader::readPattern() {
  constexpr llvm::StringLiteral kWindow = "attention.sliding_window",
                                kPattern = "attention.sliding_window_pattern";
  if (generation->period == 0) {
    if (file.hasKey(key(kWindow)))
      return fail("key '" + key(kWindow) + "' gives a window, which no " +
                  generation->name + " has");
    config.sliding.assign(config.layers, false);
    return llvm::Error::success();
  }
  if (llvm::Error error = integer(kWindow, config.window, kMaxContext))
    return error;
  if (file.isArray(key(kPattern))) {
    llvm::Expected<std::vector<int64_t>> pattern = layerIntegers(kPattern);
    if (!pattern)
      return pattern.takeError();
    for (int64_t sliding : *pattern)
      config.sliding.push_back(sliding != 0);
    return llvm::Error::success();
  }
  int64_t period;
  if (llvm::Error error =
          integer(kPattern, period, kMaxLayers, generation->period))
    return error;
  // Every period-th layer is full; a period of 1 makes all of them full.
  for (int64_t i = 0; i != config.layers; ++i)
    config.sliding.push_back((i + 1) % period != 0);
  return llvm::Error::success();
}

llvm::Error ConfigReader::checkTensors() {
  auto &c = config;
  const GgufTensor *embedding = file.findTensor("token_embd.weight");
  if (!embedding)
    return fail("tensor 'token_embd.weight' is missing");
  if (embedding->dims.size() != 2 || embedding->dims[0] > kMaxVocab)
    return fail("tensor 'token_embd.weight' must be a matrix with a row for "
                "each token");
  c.vocab = embedding->dims[0];
  if (llvm::Error error = agree("vocab_size", c.vocab))
    return error;
  llvm::StringSet<> expected;
  llvm::Error failed = llvm::Error::success();
  auto expect = [&](const llvm::Twine &nameOf, llvm::ArrayRef<int64_t> dims) {
    if (failed)
      return;
    std::string name = nameOf.str();
    expected.insert(name);
    const GgufTensor *tensor = file.findTensor(name);
    auto text = [](llvm::ArrayRef<int64_t> shape) {
      std::string result;
      for (int64_t dim : shape)
        result += (result.empty() ? "" : "x") + std::to_string(dim);
      return result;
    };
    if (!tensor)
      failed = fail("tensor '" + name + "' is missing");
    else if (llvm::ArrayRef<int64_t>(tensor->dims) != dims)
      failed = fail("tensor '" + name + "' has shape " + text(tensor->dims) +
                    ", expected " + text(dims));
    else if (!ggml::isDecodable(tensor->type))
      failed = fail("tensor '" + name + "' is stored as " +
                    llvm::StringRef(ggml::typeName(tensor->type)) +
                    ", which cannot be computed with");
    else if (dims.size() == 1 && tensor->type != ggml::Type::F32 &&
             tensor->type != ggml::Type::F16 &&
             tensor->type != ggml::Type::BF16)
      failed = fail("tensor '" + name + "' is a norm stored as " +
                    llvm::StringRef(ggml::typeName(tensor->type)) +
                    ", expected F32, F16 or BF16");
  };
  expect("token_embd.weight", {c.vocab, c.hidden});
  expect("output_norm.weight", {c.hidden});
  c.tiedHead = !file.findTensor("output.weight");
  if (!c.tiedHead)
    expect("output.weight", {c.vocab, c.hidden});
  int64_t q = c.heads * c.headDim, kv = c.kvHeads * c.headDim;
  for (int64_t i = 0; i != c.layers; ++i) {
    std::string layer = "blk." + std::to_string(i) + ".";
    expect(layer + "attn_norm.weight", {c.hidden});
    expect(layer + "attn_q.weight", {q, c.hidden});
    expect(layer + "attn_k.weight", {kv, c.hidden});
    expect(layer + "attn_v.weight", {kv, c.hidden});
    if (c.qkNorm) {
      expect(layer + "attn_q_norm.weight", {c.headDim});
      expect(layer + "attn_k_norm.weight", {c.headDim});
    }
    expect(layer + "attn_output.weight", {c.hidden, q});
    if (c.postNorms)
      expect(layer + "post_attention_norm.weight", {c.hidden});
    expect(layer + "ffn_norm.weight", {c.hidden});
    expect(layer + "ffn_gate.weight", {c.ffn, c.hidden});
    expect(layer + "ffn_up.weight", {c.ffn, c.hidden});
    expect(layer + "ffn_down.weight", {c.hidden, c.ffn});
    if (c.postNorms)
      expect(layer + "post_ffw_norm.weight", {c.hidden});
  }
  if (failed)
    return failed;
  for (const GgufTensor &tensor : file.tensors())
    if (!expected.count(tensor.name))
      return fail("tensor " + quoted(tensor.name) + " has no place in a " +
                  c.architecture + " model");
  return llvm::Error::success();
}

llvm::Expected<GemmaConfig> ConfigReader::read() {
  llvm::Expected<std::optional<int64_t>> parts = file.getInteger("split.count");
  if (!parts)
    return parts.takeError();
  if (parts->value_or(1) > 1)
    return fail("is one of " + llvm::Twine(**parts) +
                " files of a split model, expected a model in one file");
  auto architecture = file.getString("general.architecture");
  if (!architecture)
    return architecture.takeError();
  if (!*architecture)
    return fail("key 'general.architecture' is missing");
  generation = llvm::find_if(kGenerations, [&](const Generation &known) {
    return known.architecture == **architecture;
  });
  if (generation == std::end(kGenerations))
    return fail("the architecture " + quoted(**architecture) +
                " is not supported, expected 'gemma', 'gemma2' or 'gemma3'");
  config.architecture = (*architecture)->str();
  if (llvm::Error error = readNumbers())
    return error;
  if (llvm::Error error = readPattern())
    return error;
  if (llvm::Error error = checkTensors())
    return error;
  return std::move(config);
}

} // namespace

llvm::Expected<GemmaConfig> flow::readGemmaConfig(const GgufReader &file) {
  return ConfigReader(file).read();
}
